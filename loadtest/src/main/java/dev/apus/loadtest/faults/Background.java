package dev.apus.loadtest.faults;

import dev.apus.loadtest.Target;
import dev.apus.loadtest.measure.Series;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What happens beside the load that is measured. */
public final class Background {
    private final Target target;

    public Background(Target target, FaultPlan plan) {
        this.target = target;
    }

    /**
     * What was seen.
     *
     * @param findings what is wrong
     * @param notes what else is to be told
     */
    public record Result(List<String> findings, List<String> notes) {}

    /** The key of a tenant at present, or null if the server asks for none. */
    public @Nullable String keyOf(int tenant) {
        List<String> keys = target.keys();
        return keys.isEmpty() ? null : keys.get(Math.min(tenant, keys.size() - 1));
    }

    public void start() {}

    /** @param served what the measured clients saw */
    public Result finish(Map<String, Series.Snapshot> served) {
        return new Result(List.of(), List.of());
    }
}
