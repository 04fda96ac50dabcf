package dev.apus.loadtest.gatling;

import io.gatling.commons.stats.OK$;
import io.gatling.commons.stats.Status;
import io.gatling.core.CoreComponents;
import io.gatling.core.action.Action;
import io.gatling.core.actor.ActorRef;
import io.gatling.core.controller.Controller;
import io.gatling.core.session.GroupBlock;
import io.gatling.core.stats.StatsEngine;
import io.gatling.core.structure.ScenarioContext;
import io.gatling.javaapi.core.ActionBuilder;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import scala.Option;
import scala.collection.immutable.List;
import scala.collection.immutable.List$;

/**
 * Hears what Gatling's own actions tell its statistics, and tells them more.
 *
 * <p>Why a stream failed, 429 or a broken connection, Gatling says to its statistics only, not to the scenario; and of times it knows
 * those of its checks, not those between tokens.
 */
final class Tap {
    private final AtomicReference<@Nullable StatsEngine> engine = new AtomicReference<>();
    private final Consumer<String> failure;

    /** @param failure is told why a request failed */
    Tap(Consumer<String> failure) {
        this.failure = failure;
    }

    /** The action, whose failures are heard. */
    ActionBuilder heard(ActionBuilder action) {
        io.gatling.core.action.builder.ActionBuilder inner = action.asScala();
        return () -> new io.gatling.core.action.builder.ActionBuilder() {
            @Override
            public Action build(ScenarioContext context, Action next) {
                CoreComponents core = context.coreComponents();
                engine.set(core.statsEngine());
                CoreComponents tapped = new CoreComponents(
                        core.actorSystem(),
                        core.eventLoopGroup(),
                        core.controller(),
                        core.throttler(),
                        new Listening(core.statsEngine(), failure),
                        core.clock(),
                        core.exit(),
                        core.configuration());
                ScenarioContext inside = new ScenarioContext(
                        tapped, context.protocolComponentsRegistry(), context.pauseType(), context.throttled());
                return inner.build(inside, next);
            }
        };
    }

    /** Tells the statistics of a time, in milliseconds since 1970. */
    void tell(String scenario, String name, long start, long end) {
        StatsEngine real = engine.get();
        if (real != null) {
            real.logResponse(
                    scenario, List$.MODULE$.empty(), name, start, end, OK$.MODULE$, Option.empty(), Option.empty());
        }
    }

    private record Listening(StatsEngine real, Consumer<String> failure) implements StatsEngine {
        /** A stream that has crashed already, and been told of, is closed. */
        private static final String CLOSED_LATE = "Client issued close order";

        @Override
        public void start() {
            real.start();
        }

        @Override
        public void stop(ActorRef<Controller.Command> controller, Option<Exception> exception) {
            real.stop(controller, exception);
        }

        @Override
        public void logUserStart(String scenario) {
            real.logUserStart(scenario);
        }

        @Override
        public void logUserEnd(String scenario) {
            real.logUserEnd(scenario);
        }

        @Override
        public void logResponse(
                String scenario,
                List<String> groups,
                String name,
                long start,
                long end,
                Status status,
                Option<String> code,
                Option<String> message) {
            if (status.name().equals("KO")) {
                failure.accept(message.isDefined() ? message.get() : "no reason given");
            }
            real.logResponse(scenario, groups, name, start, end, status, code, message);
        }

        @Override
        public void logGroupEnd(String scenario, GroupBlock group, long exit) {
            real.logGroupEnd(scenario, group, exit);
        }

        @Override
        public void logRequestCrash(String scenario, List<String> groups, String name, String error) {
            if (!error.startsWith(CLOSED_LATE)) {
                failure.accept(error);
                real.logRequestCrash(scenario, groups, name, error);
            }
        }
    }
}
