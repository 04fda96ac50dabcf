package dev.apus.loadtest.gatling;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.prefs.AbstractPreferences;
import java.util.prefs.Preferences;
import java.util.prefs.PreferencesFactory;
import org.jspecify.annotations.Nullable;

/**
 * Preferences that live as long as the process.
 *
 * <p>Gatling would look in Maven's repository for a newer version of itself at each start, and keep the answer among the user's preferences.
 * Neither is a load test's business; it asks nobody when its preferences say that it has just asked.
 */
public final class ForgetfulPreferences implements PreferencesFactory {
    private final Preferences root = new Node(null, "");

    /** Made by the JDK, by name. */
    public ForgetfulPreferences() {
        Preferences asked = root.node("/io/gatling/latestVersion");
        asked.putBoolean("lastCheckSuccess", false);
        asked.putLong("lastCheckTimestamp", Long.MAX_VALUE);
    }

    /** Makes these the preferences of the process; to be called before anybody uses any. */
    static void install() {
        System.setProperty("java.util.prefs.PreferencesFactory", ForgetfulPreferences.class.getName());
    }

    @Override
    public Preferences systemRoot() {
        return root;
    }

    @Override
    public Preferences userRoot() {
        return root;
    }

    private static final class Node extends AbstractPreferences {
        private final Map<String, String> values = new ConcurrentHashMap<>();
        private final Map<String, Node> children = new ConcurrentHashMap<>();

        Node(@Nullable Node parent, String name) {
            super(parent, name);
        }

        @Override
        protected void putSpi(String key, String value) {
            values.put(key, value);
        }

        @Override
        protected @Nullable String getSpi(String key) {
            return values.get(key);
        }

        @Override
        protected void removeSpi(String key) {
            values.remove(key);
        }

        @Override
        protected void removeNodeSpi() {
            values.clear();
        }

        @Override
        protected String[] keysSpi() {
            return values.keySet().toArray(String[]::new);
        }

        @Override
        protected String[] childrenNamesSpi() {
            return children.keySet().toArray(String[]::new);
        }

        @Override
        protected AbstractPreferences childSpi(String name) {
            return children.computeIfAbsent(name, key -> new Node(this, key));
        }

        @Override
        protected void syncSpi() {}

        @Override
        protected void flushSpi() {}
    }
}
