package dev.apus.loadtest.faults;

import java.util.random.RandomGenerator;

/** Something that a client does. */
@FunctionalInterface
interface Attempt {
    /**
     * Does it once.
     *
     * @return what came of it, if that was to be expected
     * @throws Exception whatever else came of it
     */
    String run(RandomGenerator random) throws Exception;
}
