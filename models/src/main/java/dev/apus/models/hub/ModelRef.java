package dev.apus.models.hub;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** What a user wrote to name a model, parsed. Nothing here looks at disks or networks. */
sealed interface ModelRef {
    /** A local file or folder. */
    record Local(String path) implements ModelRef {}

    /**
     * A repository of a model hub: {@code org/name[@revision][:QUANT or :file.gguf]}.
     *
     * @param id {@code org/name}
     * @param revision a branch, tag or commit, or null for the configured or default one
     * @param variant a quantisation such as {@code Q4_K_M} or a GGUF file's name, or null
     */
    record Repo(
            String id, @Nullable String revision, @Nullable String variant) implements ModelRef {}

    /**
     * A package with a model inside.
     *
     * @param manager which package manager
     * @param coordinates as the manager's client takes them: {@code NAME} or {@code NAME==VERSION}, {@code group:artifact:version[:classifier]}
     * @param inside the path of the model inside the package, or null where it has only one
     */
    record Packaged(
            Manager manager, String coordinates, @Nullable String inside) implements ModelRef {}

    /** The package managers whose clients are run. */
    enum Manager {
        PYPI,
        MAVEN
    }

    /** The forms that a model's name may take, for messages. */
    String FORMS = "a local folder, .gguf or .safetensors file; org/name[@revision][:QUANT or :file.gguf] of the hub;"
            + " pypi:NAME[==VERSION][#path]; mvn:group:artifact:version[:classifier][#path]";

    /** A hub's rule for either half of an id: no leading dot or dash, so that it is neither a path nor an option. */
    String PART = "[A-Za-z0-9_][A-Za-z0-9._-]{0,95}";

    /** A hub repository with its optional revision and variant. */
    Pattern REPO = Pattern.compile("(" + PART + "/" + PART + ")(?:@([^:@]+))?(?::(.+))?");

    /** Branch names may have slashes, but nothing that is special in a path or an address. */
    Pattern REVISION = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9._/+-]{0,199}");

    /** A package, at the newest version or a pinned one: anything else that pip would take (addresses, options, markers) is refused. */
    Pattern PYPI = Pattern.compile(
            "([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?:==([A-Za-z0-9][A-Za-z0-9.!+_-]*))?(?:#(.+))?");

    /** Maven coordinates with an optional classifier. */
    Pattern MAVEN = Pattern.compile("([A-Za-z0-9_][A-Za-z0-9._-]*(?::[A-Za-z0-9_][A-Za-z0-9._-]*){2,3})(?:#(.+))?");

    /**
     * Parses a model argument.
     *
     * @throws HubException if it has none of the known forms
     */
    static ModelRef parse(String model) {
        if (model.startsWith("pypi:")) {
            return parsePackage(
                    Manager.PYPI, PYPI, model, "pypi:NAME or pypi:NAME==VERSION, with #path/inside behind it");
        }
        if (model.startsWith("mvn:")) {
            return parsePackage(
                    Manager.MAVEN,
                    MAVEN,
                    model,
                    "mvn:group:artifact:version[:classifier], with #path/inside behind it");
        }
        if (looksLikePath(model)) {
            return new Local(model);
        }
        Matcher repo = REPO.matcher(model);
        if (!repo.matches()) {
            throw new HubException("model " + Names.quote(model)
                    + " is neither there nor a name that can be fetched; allowed: " + FORMS);
        }
        String revision = repo.group(2);
        checkRevision(revision);
        String variant = repo.group(3);
        if (variant != null && !Names.isSafeRelative(variant)) {
            throw new HubException("model " + Names.quote(model)
                    + ": behind the colon stands a quantisation such as Q4_K_M or a file of the repository");
        }
        return new Repo(repo.group(1), revision, variant);
    }

    /** @throws HubException if {@code revision} could not be a branch, tag or commit */
    static void checkRevision(@Nullable String revision) {
        if (revision != null && (!REVISION.matcher(revision).matches() || !Names.isSafeRelative(revision))) {
            throw new HubException("revision " + Names.quote(revision)
                    + " is no branch, tag or commit; allowed: letters, digits and ._/+- without '..'");
        }
    }

    /** Whether the text can only mean something on this machine's disks, so that it must never become a download. */
    private static boolean looksLikePath(String model) {
        return model.isEmpty()
                || model.startsWith("/")
                || model.startsWith(".")
                || model.startsWith("~")
                || model.indexOf('\\') >= 0
                || model.matches("[A-Za-z]:.*")
                || (model.chars().filter(c -> c == '/').count() > 1 && model.indexOf('@') < 0 && model.indexOf(':') < 0)
                || (model.indexOf(':') < 0 && (model.endsWith(".gguf") || model.endsWith(".safetensors")));
    }

    private static ModelRef parsePackage(Manager manager, Pattern pattern, String model, String form) {
        Matcher matcher = pattern.matcher(model.substring(model.indexOf(':') + 1));
        if (!matcher.matches()) {
            throw new HubException("model " + Names.quote(model) + " is malformed; the form is " + form);
        }
        boolean pypi = manager == Manager.PYPI;
        String version = pypi ? matcher.group(2) : null;
        String coordinates = version == null ? matcher.group(1) : matcher.group(1) + "==" + version;
        String inside = matcher.group(pypi ? 3 : 2);
        if (inside != null && !Names.isSafeRelative(inside)) {
            throw new HubException("model " + Names.quote(model)
                    + ": behind # stands a path inside the package, relative and without '..'");
        }
        return new Packaged(manager, coordinates, inside);
    }
}
