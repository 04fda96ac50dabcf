package dev.apus.models.tokenizer;

/**
 * A token found in the text before the model sees it.
 *
 * @param id its id
 * @param content its text
 * @param special whether it is control, not text: skipped when decoding for people, and never made from plain text
 * @param match how it is found
 */
record AddedToken(int id, String content, boolean special, Match match) {
    /** Found wherever its text stands. */
    AddedToken(int id, String content, boolean special) {
        this(id, content, special, Match.EXACT);
    }

    /**
     * How an added token is found in a text, as Hugging Face's fields of these names say.
     *
     * @param singleWord only where no letter touches it
     * @param lstrip takes the white space before it along
     * @param rstrip takes the white space after it along
     * @param normalized looks for it in the normalized text
     */
    record Match(boolean singleWord, boolean lstrip, boolean rstrip, boolean normalized) {
        static final Match EXACT = new Match(false, false, false, false);
    }
}
