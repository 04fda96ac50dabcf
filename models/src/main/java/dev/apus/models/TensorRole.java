package dev.apus.models;

/** What a tensor of a checkpoint is to the decoder. Roles from {@link #ATTENTION_NORM} on are per layer. */
enum TensorRole {
    EMBEDDING,
    POSITIONS,
    FINAL_NORM,
    HEAD,
    ATTENTION_NORM,
    QKV,
    QUERY,
    KEY,
    VALUE,
    ATTENTION_OUT,
    QUERY_NORM,
    KEY_NORM,
    /** Norm of the attention's output before it joins the residual stream. */
    POST_ATTENTION_NORM,
    MLP_NORM,
    GATE_UP,
    GATE,
    UP,
    DOWN,
    /** Norm of the MLP's output before it joins the residual stream. */
    POST_MLP_NORM,
    ROUTER,
    /** Per expert: the name holds a second number. */
    EXPERT_GATE,
    EXPERT_UP,
    EXPERT_DOWN,
    /** The expert that all tokens go through. */
    SHARED_GATE,
    SHARED_UP,
    SHARED_DOWN,
    /** How much of its output counts. */
    SHARED_SWITCH,
    /** All experts in one tensor {@code [experts, 2 * intermediate, hidden]}. */
    EXPERTS_GATE_UP,
    /** All experts in one tensor {@code [experts, intermediate, hidden]}. */
    EXPERTS_GATE,
    EXPERTS_UP,
    /** All experts in one tensor {@code [experts, hidden, intermediate]}. */
    EXPERTS_DOWN
}
