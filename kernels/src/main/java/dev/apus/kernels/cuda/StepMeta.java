package dev.apus.kernels.cuda;

import java.lang.foreign.MemorySegment;

/**
 * Where the metadata of a step lies on the device, and how much of it there is.
 *
 * @param step {@code struct Step} of prelude.cuh: eleven device addresses
 * @param tokens tokens, padding of a recorded shape included
 * @param sequences likewise
 * @param logitRows likewise
 */
record StepMeta(MemorySegment step, int tokens, int sequences, int logitRows) {}
