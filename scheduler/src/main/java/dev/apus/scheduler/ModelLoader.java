package dev.apus.scheduler;

import dev.apus.kernels.Backend;
import dev.apus.kernels.KvCache;
import dev.apus.models.Checkpoint;
import dev.apus.models.Decoder;
import dev.apus.models.chat.ChatTemplate;
import dev.apus.models.chat.JinjaTemplate;
import dev.apus.models.tokenizer.Tokenizer;
import dev.apus.models.tokenizer.Tokenizers;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** From files to a running model: tokenizer and chat template beside the weights, then the engine. */
final class ModelLoader {
    private static final Logger LOG = LoggerFactory.getLogger(ModelLoader.class);

    private ModelLoader() {}

    /**
     * Loads a model onto a backend, which the returned model closes with itself; on failure it is closed here.
     *
     * @param name to serve it as; null for the checkpoint's own
     */
    static LanguageModel load(Path path, Backend backend, EngineOptions options, @Nullable String name) {
        long start = System.nanoTime();
        Tokenizer tokenizer = null;
        try (Checkpoint checkpoint = Checkpoint.open(path)) {
            // The tokenizer takes about as long as the weights: read both at once.
            CompletableFuture<Tokenizer> reading =
                    CompletableFuture.supplyAsync(() -> Tokenizers.open(path), threadNamed("apus-tokenizer"));
            MemoryPlan plan = MemoryPlan.of(checkpoint, options, backend.freeMemory());
            LOG.info("{}: {}", checkpoint.name(), plan);
            Decoder decoder;
            try {
                decoder = Decoder.load(
                        checkpoint.config(),
                        checkpoint.weights(),
                        backend,
                        options.maxNumBatchedTokens(),
                        options.maxLogitRows(),
                        plan.modelLength());
            } finally {
                tokenizer = join(reading);
            }
            KvCache cache = backend.kvCache(plan.kv(), plan.kvBlocks());
            long loaded = System.nanoTime();
            LanguageModel model = serve(checkpoint, tokenizer, decoder, cache, backend, plan, options, name);
            LOG.info("loaded in {} ms, {}", (loaded - start) / 1_000_000, backend.description());
            return model;
        } catch (RuntimeException | Error e) {
            if (tokenizer != null) {
                tokenizer.close();
            }
            backend.close();
            throw e;
        }
    }

    private static LanguageModel serve(
            Checkpoint checkpoint,
            Tokenizer tokenizer,
            Decoder decoder,
            KvCache cache,
            Backend backend,
            MemoryPlan plan,
            EngineOptions options,
            @Nullable String name) {
        String source = checkpoint.chatTemplate();
        ChatTemplate template = source == null ? null : JinjaTemplate.compile(source);
        Set<Integer> eosIds = new TreeSet<>(checkpoint.eosIds());
        eosIds.addAll(tokenizer.eosIds());
        DecoderRunner runner = new DecoderRunner(decoder, backend.kernels(), cache);
        LocalEngine engine = new LocalEngine(runner, options, plan.kvBlocks(), plan.modelLength(), List.copyOf(eosIds));
        ServedModel served = new ServedModel(
                name == null ? checkpoint.name() : name,
                tokenizer,
                template,
                checkpoint.templateVariables(),
                engine.maxModelLength(),
                decoder.vocabSize(),
                checkpoint.generationDefaults(),
                Set.copyOf(eosIds),
                engine,
                new Seeds(options.seed()));
        Runnable onClose = () -> {
            tokenizer.close();
            backend.close();
        };
        return new LanguageModel(served, onClose, plan);
    }

    private static Executor threadNamed(String name) {
        return task -> Thread.ofPlatform().name(name).daemon(true).start(task);
    }

    private static Tokenizer join(CompletableFuture<Tokenizer> reading) {
        try {
            return reading.join();
        } catch (CompletionException e) {
            if (e.getCause() instanceof RuntimeException cause) {
                throw cause;
            }
            throw e;
        }
    }
}
