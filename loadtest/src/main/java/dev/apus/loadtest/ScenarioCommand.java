package dev.apus.loadtest;

import dev.apus.loadtest.faults.FaultPlan;
import dev.apus.loadtest.gatling.GatlingRun;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** One of Gatling's scenarios. */
@Command(mixinStandardHelpOptions = true, sortOptions = false)
final class ScenarioCommand implements Callable<Integer> {
    private final Scenario scenario;

    @Mixin
    private TargetArgs target = new TargetArgs();

    @Mixin
    private LoadArgs load = new LoadArgs();

    @Mixin
    private ResultArgs results = new ResultArgs();

    ScenarioCommand(Scenario scenario) {
        this.scenario = scenario;
    }

    @Override
    public Integer call() throws IOException, InterruptedException {
        Path folder = results.folder(scenario.label());
        Plan plan = new Plan(
                scenario,
                target.target(),
                load.load(),
                load.limits(),
                load.mayRefuse(),
                FaultPlan.none(),
                folder.resolve("report.json").toString());
        return results.tell(GatlingRun.run(plan, folder, results.html()), folder);
    }
}
