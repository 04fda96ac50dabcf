package dev.apus.models.tokenizer;

import java.util.List;

/**
 * Ids with a role.
 *
 * @param bos beginning of sequence, or -1
 * @param eos ids that end a generation, most important first; may be empty
 * @param pad padding, or -1
 */
record SpecialIds(int bos, List<Integer> eos, int pad) {
    SpecialIds {
        eos = List.copyOf(eos);
    }
}
