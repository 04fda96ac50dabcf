package dev.apus.models.hub;

/** Which hub a name like {@code org/name} means. */
public enum HubKind {
    /** huggingface.co or a server that speaks its protocol; the default revision is {@code main}. */
    HUGGINGFACE("main"),
    /** www.modelscope.cn; the default revision is {@code master}. */
    MODELSCOPE("master");

    private final String defaultRevision;

    HubKind(String defaultRevision) {
        this.defaultRevision = defaultRevision;
    }

    /** The branch that is meant where none is named. */
    public String defaultRevision() {
        return defaultRevision;
    }

    /**
     * The kind that a flag's value names, in any case.
     *
     * @throws IllegalArgumentException for any other word
     */
    public static HubKind of(String name) {
        return switch (name.strip().toLowerCase(java.util.Locale.ROOT)) {
            case "huggingface", "hf" -> HUGGINGFACE;
            case "modelscope", "ms" -> MODELSCOPE;
            default ->
                throw new IllegalArgumentException(
                        "hub " + Names.quote(name) + " is unknown; allowed: huggingface, modelscope");
        };
    }
}
