package dev.apus.scheduler;

import dev.apus.kernels.Backend;
import dev.apus.kernels.cpu.CpuBackend;
import dev.apus.kernels.cpu.CpuOptions;
import dev.apus.models.chat.ChatTemplate;
import dev.apus.scheduler.pooling.PoolingOptions;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * A model to talk to from a Java program.
 *
 * <pre>{@code
 * try (LanguageModel model = LanguageModel.open(Path.of("SmolLM2-135M-Instruct"), EngineOptions.defaults())) {
 *     for (String piece : model.chat("Why is the sky blue?")) {
 *         System.out.print(piece);
 *     }
 * }
 * }</pre>
 *
 * <p>Thread-safe: generations of several threads are batched.
 */
public final class LanguageModel implements AutoCloseable {
    private final ServedModel model;
    private final Runnable onClose;
    private final @Nullable MemoryPlan plan;
    private final LongSupplier kvResident;
    /** Begins the ids of this instance's requests: others, and a server, may share the engine, which wants ids of its own of each. */
    private final String idPrefix =
            "local-" + HexFormat.of().toHexDigits(ThreadLocalRandom.current().nextLong()) + "-";

    private final AtomicLong requests = new AtomicLong();

    /**
     * Loads a model onto the CPU and starts its engine.
     *
     * @param path a Hugging Face folder, a {@code .gguf} or a {@code .safetensors} file
     * @throws dev.apus.loaders.CheckpointException if the files are damaged or of an unsupported kind
     * @throws IllegalArgumentException if the model does not fit the memory or the options do not fit the model
     */
    public static LanguageModel open(Path path, EngineOptions options) {
        return open(path, CpuBackend.create(CpuOptions.defaults()), options, null);
    }

    /**
     * Loads a model onto a backend and starts its engine. The backend belongs to the model from here on, even if loading fails; a fault of
     * its device ends the engine.
     *
     * @param name to serve it as; null for the checkpoint's own
     */
    public static LanguageModel open(Path path, Backend backend, EngineOptions options, @Nullable String name) {
        return open(path, backend, options, name, PoolingOptions.defaults());
    }

    /**
     * The same, with a say in how the model makes vectors of texts. An encoder (BERT and its like) is loaded for that alone.
     *
     * @throws IllegalArgumentException if the model cannot do what is asked of it
     */
    public static LanguageModel open(
            Path path, Backend backend, EngineOptions options, @Nullable String name, PoolingOptions pooling) {
        return ModelLoader.load(path, backend, options, name, pooling);
    }

    /**
     * Talks to a model that is served already.
     *
     * @param onClose what to do once its engine is closed: close what the engine runs on
     */
    public LanguageModel(ServedModel model, Runnable onClose) {
        this(model, onClose, null, () -> 0);
    }

    /** @param kvResident bytes of the KV cache that are in memory */
    LanguageModel(ServedModel model, Runnable onClose, @Nullable MemoryPlan plan, LongSupplier kvResident) {
        this.kvResident = kvResident;
        this.model = model;
        this.onClose = onClose;
        this.plan = plan;
    }

    /** What it takes of the memory; null if it was not loaded by {@link #open}. */
    public @Nullable MemoryPlan memoryPlan() {
        return plan;
    }

    /**
     * Bytes of the planned KV cache that are in memory by now: a CPU's becomes resident as it is first used. 0 if the model was not loaded by
     * {@link #open}. Not to be called while the model is being closed.
     */
    public long kvResidentBytes() {
        return kvResident.getAsLong();
    }

    /** What a server needs of the model. */
    public ServedModel served() {
        return model;
    }

    /** Parameters with the model's own defaults and the next seed of {@link EngineOptions#seed}'s, to be changed and built. */
    public SamplingParamsBuilder params() {
        return new SamplingParamsBuilder()
                .defaults(model.generationDefaults())
                .seed(model.seeds().next());
    }

    /** Answers one message of the user. */
    public Generation chat(String message) {
        return chat(List.of(ChatMessage.user(message)), params().build(), List.of());
    }

    /**
     * Continues a conversation with the assistant's answer.
     *
     * @param stops strings that end the answer
     * @throws IllegalStateException if the model has no chat template
     */
    public Generation chat(List<ChatMessage> messages, SamplingParams params, List<String> stops) {
        ChatTemplate template = model.chatTemplate();
        if (template == null) {
            throw new IllegalStateException(
                    "model '" + model.name() + "' has no chat template; use complete with a raw prompt");
        }
        Map<String, Object> variables = new HashMap<>(model.templateVariables());
        variables.put("messages", messages.stream().map(LanguageModel::asMap).toList());
        variables.put("add_generation_prompt", true);
        // The template writes the special tokens itself.
        return generate(model.tokenizer().encode(template.render(variables), false, true), params, stops);
    }

    /** Continues a text. */
    public Generation complete(String prompt, SamplingParams params, List<String> stops) {
        return generate(model.tokenizer().encode(prompt, true, true), params, stops);
    }

    /** Continues a sequence of tokens. */
    public Generation generate(int[] prompt, SamplingParams params, List<String> stops) {
        Set<Integer> stopIds = new HashSet<>(params.stopTokenIds());
        if (!params.ignoreEos()) {
            stopIds.addAll(model.eosIds());
        }
        TextStream text = new TextStream(model.tokenizer(), stops, false, true, stopIds, params.minTokens());
        Request request = new Request(idPrefix + requests.getAndIncrement(), prompt, params);
        return new Generation(model.engine(), request, text);
    }

    /** Ends the engine, then what it runs on. */
    @Override
    public void close() {
        model.engine().close();
        onClose.run();
    }

    private static Map<String, Object> asMap(ChatMessage message) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("role", message.role());
        map.put("content", message.content());
        return map;
    }
}
