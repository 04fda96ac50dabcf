package dev.apus.kernels;

import java.util.List;

/**
 * The experts of one mixture-of-experts layer.
 *
 * @param gateUp per expert {@code [2 * intermediate, hidden]}: gate rows, then up rows
 * @param down per expert {@code [hidden, intermediate]}
 */
public record MoeWeights(List<Linear> gateUp, List<Linear> down) {
    public MoeWeights {
        gateUp = List.copyOf(gateUp);
        down = List.copyOf(down);
    }
}
