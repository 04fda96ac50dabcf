package dev.apus.models.hub;

import java.nio.file.Path;
import java.util.Locale;
import java.util.regex.Pattern;

/** Checks of names that others chose (hubs, archives, command lines) before they become paths, addresses or messages. */
final class Names {
    /** Characters of a foreign text in a message: two lines of a terminal. */
    private static final int MAX_SHOWN = 160;
    /** Longer paths are refused by common file systems (255 a component, 4096 in all with the cache's own folders before). */
    private static final int MAX_PATH = 1024;

    private static final Pattern DRIVE = Pattern.compile("[A-Za-z]:.*");
    private static final Pattern RESERVED = Pattern.compile("(?i)(con|prn|aux|nul|com\\d|lpt\\d)(\\..*)?");

    private Names() {}

    /** {@code text} in single quotes, control characters escaped, cut after 160 characters. */
    static String quote(String text) {
        StringBuilder out = new StringBuilder("'");
        int shown = Math.min(text.length(), MAX_SHOWN);
        for (int i = 0; i < shown; i++) {
            char c = text.charAt(i);
            out.append(Character.isISOControl(c) ? String.format("\\u%04x", (int) c) : String.valueOf(c));
        }
        if (shown < text.length()) {
            out.append("... (").append(text.length()).append(" characters)");
        }
        return out.append('\'').toString();
    }

    /** Whether {@code name} is a relative path of plain components with {@code /} between: it cannot leave the folder it is put under. */
    static boolean isSafeRelative(String name) {
        if (name.isEmpty()
                || name.length() > MAX_PATH
                || name.indexOf('\\') >= 0
                || DRIVE.matcher(name).matches()) {
            return false;
        }
        for (String part : name.split("/", -1)) {
            boolean plain = !part.isEmpty()
                    && !part.equals(".")
                    && !part.equals("..")
                    && part.length() <= 255
                    && part.indexOf(':') < 0
                    && part.chars().noneMatch(Character::isISOControl)
                    && !RESERVED.matcher(part).matches();
            if (!plain) {
                return false;
            }
        }
        return true;
    }

    /** {@link #isSafeRelative}, or {@code .}: the top of an archive. */
    static boolean isSafeRelativeOrTop(String name) {
        return name.equals(".") || isSafeRelative(name);
    }

    /**
     * {@code name} below {@code folder}.
     *
     * @throws HubException if the name is absolute, leads upwards or has characters that no model file needs; {@code source} is named
     */
    static Path below(Path folder, String name, String source) {
        if (!isSafeRelative(name)) {
            throw new HubException(source + " names the file " + quote(name)
                    + ", which is no plain relative path: refused, as it could be written outside the cache");
        }
        return folder.resolve(name);
    }

    /** The part behind the last slash. */
    static String base(String path) {
        return path.substring(path.lastIndexOf('/') + 1);
    }

    /** The part before the last slash, empty without one. */
    static String parent(String path) {
        return path.substring(0, Math.max(0, path.lastIndexOf('/')));
    }

    /** A size for people, in the decimal units that hubs show. */
    static String bytes(long n) {
        if (n < 1_000_000) {
            return n + " bytes";
        }
        return n < 1_000_000_000
                ? String.format(Locale.ROOT, "%.1f MB", n / 1e6)
                : String.format(Locale.ROOT, "%.2f GB", n / 1e9);
    }
}
