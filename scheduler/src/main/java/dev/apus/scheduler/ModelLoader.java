package dev.apus.scheduler;

import dev.apus.kernels.Backend;
import dev.apus.models.Checkpoint;
import dev.apus.models.EncoderCheckpoint;
import dev.apus.models.chat.ChatTemplate;
import dev.apus.models.chat.JinjaTemplate;
import dev.apus.models.tokenizer.ByteTokenizer;
import dev.apus.models.tokenizer.Tokenizer;
import dev.apus.models.tokenizer.Tokenizers;
import dev.apus.scheduler.pooling.Pooler;
import dev.apus.scheduler.pooling.PoolingOptions;
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
    static LanguageModel load(
            Path path, Backend backend, EngineOptions options, @Nullable String name, PoolingOptions pooling) {
        if (options.loadFormat() != EngineOptions.LoadFormat.DUMMY && EncoderCheckpoint.isAt(path)) {
            return PoolingLoader.encoder(path, backend, options, name, pooling);
        }
        long start = System.nanoTime();
        Tokenizer tokenizer = null;
        try (Checkpoint checkpoint = DeviceModel.open(path, options)) {
            EngineOptions limits = options.forBackend(backend);
            // The tokenizer takes about as long as the weights: read both at once.
            CompletableFuture<Tokenizer> reading = CompletableFuture.supplyAsync(
                    () -> tokenizer(path, checkpoint, limits), threadNamed("apus-tokenizer"));
            MemoryPlan plan;
            DeviceModel device;
            DecoderRunner runner;
            try {
                plan = MemoryPlan.of(checkpoint, limits, backend);
                LOG.info("{}: {}", checkpoint.name(), plan);
                device = new DeviceModel(path, limits, plan, backend);
                runner = device.load(checkpoint);
            } finally {
                tokenizer = join(reading);
            }
            long loaded = System.nanoTime();
            LanguageModel model = serve(checkpoint, tokenizer, device, runner, plan, limits, name, pooling);
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

    /** The model's tokenizer; one of bytes for dummy weights that come without. */
    private static Tokenizer tokenizer(Path path, Checkpoint checkpoint, EngineOptions options) {
        if (options.loadFormat() != EngineOptions.LoadFormat.DUMMY || Tokenizers.isAt(path)) {
            return Tokenizers.open(path);
        }
        LOG.warn("{} has no tokenizer: text is taken for one token per byte, tokens are shown as characters", path);
        return new ByteTokenizer(checkpoint.config().vocabSize());
    }

    private static LanguageModel serve(
            Checkpoint checkpoint,
            Tokenizer tokenizer,
            DeviceModel device,
            DecoderRunner runner,
            MemoryPlan plan,
            EngineOptions options,
            @Nullable String name,
            PoolingOptions pooling) {
        String source = checkpoint.chatTemplate();
        ChatTemplate template = source == null ? null : JinjaTemplate.compile(source);
        Set<Integer> eosIds = new TreeSet<>(checkpoint.eosIds());
        eosIds.addAll(tokenizer.eosIds());
        LocalEngine engine = new LocalEngine(runner, options, plan.kvBlocks(), plan.modelLength(), List.copyOf(eosIds));
        ServedModel served = new ServedModel(
                name == null ? checkpoint.name() : name,
                tokenizer,
                template,
                checkpoint.templateVariables(),
                engine.maxModelLength(),
                runner.vocabSize(),
                checkpoint.generationDefaults(),
                Set.copyOf(eosIds),
                engine,
                new Seeds(options.seed()));
        Pooler pooler = PoolingLoader.decoder(checkpoint, device, engine, options, pooling);
        if (pooler != null) {
            served = served.withPooler(pooler, pooling.runner() == PoolingOptions.Runner.POOLING);
        }
        Runnable onClose = () -> {
            if (pooler != null) {
                pooler.close();
            }
            tokenizer.close();
            device.close();
        };
        return new LanguageModel(served, onClose, plan, device::kvResidentBytes);
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
