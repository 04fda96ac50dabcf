package dev.apus.server.cli;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes the signals that ask a process to stop end it with status 0 once its shutdown hooks have run: the JVM would report the signal (143),
 * which to an orchestrator is a fault. To halt in a hook instead would cut off the others, such as the one in which JFR writes its recordings.
 */
final class StopSignals {
    private static final Logger LOG = LoggerFactory.getLogger(StopSignals.class);

    private StopSignals() {}

    /** From now on; for the whole process. */
    static void endWell() {
        for (String name : List.of("TERM", "INT", "HUP")) {
            try {
                handle(name);
            } catch (InvocationTargetException e) {
                // Windows has no SIGHUP, and -Xrs leaves all of them to the system.
                LOG.debug("SIG{} ends the process in its own way: {}", name, String.valueOf(e.getCause()));
            } catch (ReflectiveOperationException e) {
                throw new IllegalStateException("this Java runtime lacks the module jdk.unsupported", e);
            }
        }
    }

    /** By reflection, since javac warns of each mention of these classes and lets nobody turn that off; there are no others. */
    private static void handle(String name) throws ReflectiveOperationException {
        Class<?> signal = Class.forName("sun.misc.Signal");
        Class<?> handler = Class.forName("sun.misc.SignalHandler");
        Object exit = Proxy.newProxyInstance(
                StopSignals.class.getClassLoader(), new Class<?>[] {handler}, (proxy, method, arguments) -> {
                    System.exit(0);
                    return null;
                });
        signal.getMethod("handle", signal, handler)
                .invoke(null, signal.getConstructor(String.class).newInstance(name), exit);
    }
}
