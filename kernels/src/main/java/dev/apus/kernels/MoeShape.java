package dev.apus.kernels;

/**
 * How tokens are routed to experts.
 *
 * @param experts number of experts
 * @param topK experts a token goes to
 * @param intermediate inner size of an expert
 * @param softmaxFirst softmax over all experts, then top-k (Qwen, OLMoE); false: top-k of the logits, then softmax over these (Mixtral)
 * @param renormalize divide the chosen probabilities by their sum
 * @param activation gate activation
 */
public record MoeShape(
        int experts, int topK, int intermediate, boolean softmaxFirst, boolean renormalize, Activation activation) {}
