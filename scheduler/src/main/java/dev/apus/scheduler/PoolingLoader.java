package dev.apus.scheduler;

import dev.apus.kernels.ApusException;
import dev.apus.kernels.Backend;
import dev.apus.models.Checkpoint;
import dev.apus.models.Encoder;
import dev.apus.models.EncoderCheckpoint;
import dev.apus.models.EncoderConfig;
import dev.apus.models.PoolingSettings;
import dev.apus.models.tokenizer.SequenceTemplate;
import dev.apus.models.tokenizer.Tokenizer;
import dev.apus.models.tokenizer.Tokenizers;
import dev.apus.scheduler.pooling.DecoderStates;
import dev.apus.scheduler.pooling.EncoderRunner;
import dev.apus.scheduler.pooling.OwnThread;
import dev.apus.scheduler.pooling.Pooler;
import dev.apus.scheduler.pooling.PoolingEngine;
import dev.apus.scheduler.pooling.PoolingInfo;
import dev.apus.scheduler.pooling.PoolingOptions;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Makes what pools: of an encoder's files a model, of a loaded decoder a second use. */
final class PoolingLoader {
    private static final Logger LOG = LoggerFactory.getLogger(PoolingLoader.class);

    private PoolingLoader() {}

    /** Loads an encoder onto a backend, which the returned model closes with itself; on failure it is closed here. */
    static LanguageModel encoder(
            Path path, Backend backend, EngineOptions options, @Nullable String name, PoolingOptions pooling) {
        long start = System.nanoTime();
        Tokenizer tokenizer = null;
        try (EncoderCheckpoint checkpoint = EncoderCheckpoint.open(path)) {
            if (pooling.runner() == PoolingOptions.Runner.GENERATE) {
                throw new IllegalArgumentException("the runner is generate, but " + path
                        + " is an encoder, which generates no text; leave it out");
            }
            tokenizer = Tokenizers.open(path);
            SequenceTemplate template = SequenceTemplate.read(path);
            EngineOptions limits = options.forBackend(backend);
            int length = length(checkpoint, limits, template);
            int tokens = Math.max(length, limits.maxNumBatchedTokens());
            long bytes = Encoder.bytes(checkpoint.config(), checkpoint.weights(), tokens, limits.maxNumSeqs());
            if (bytes > backend.freeMemory()) {
                throw new IllegalArgumentException(path + " needs " + bytes + " bytes, " + backend.freeMemory()
                        + " are free; close other programs or lower max_num_batched_tokens");
            }
            Encoder encoder = Encoder.load(checkpoint, backend, tokens, limits.maxNumSeqs());
            EncoderConfig config = checkpoint.config();
            PoolingSettings settings = checkpoint.pooling().with(pooling.pooling(), pooling.normalise());
            PoolingInfo info =
                    new PoolingInfo(config.hidden(), config.vocabSize(), length, settings, template, config.head());
            OwnThread thread = new OwnThread();
            Pooler pooler = new PoolingEngine(
                    info,
                    new EncoderRunner(encoder, backend, settings.pooling(), tokens, limits.maxNumSeqs()),
                    thread,
                    mostWaiting(limits),
                    limits.maxNumQueuedTokens());
            LanguageModel model =
                    serve(name == null ? checkpoint.name() : name, tokenizer, info, pooler, limits, () -> {
                        pooler.close();
                        thread.close();
                        backend.close();
                    });
            EncoderConfig.Head head = config.head();
            LOG.info(
                    "loaded {} ({}, {}) in {} ms, {}",
                    checkpoint.name(),
                    config.architecture(),
                    head == null ? settings.pooling() : head.labels(),
                    (System.nanoTime() - start) / 1_000_000,
                    backend.description());
            return model;
        } catch (RuntimeException | Error e) {
            if (tokenizer != null) {
                tokenizer.close();
            }
            backend.close();
            throw e;
        }
    }

    private static int length(EncoderCheckpoint checkpoint, EngineOptions limits, SequenceTemplate template) {
        int most = checkpoint.config().maxTokens();
        int wanted = limits.maxModelLen() > 0 ? limits.maxModelLen() : checkpoint.maxTokens();
        int least = Math.max(template.addedToOne(), template.addedToTwo()) + 1;
        if (wanted > most || wanted < least) {
            throw new IllegalArgumentException("the length of a sequence is " + wanted + ", must be " + least
                    + " to the " + most + " positions of the model (max_model_len)");
        }
        return wanted;
    }

    /** A list of inputs may be as long as OpenAI's API allows, whatever the limit of requests. */
    private static int mostWaiting(EngineOptions limits) {
        return Math.max(limits.maxWaiting(), 1024) * 4;
    }

    private static LanguageModel serve(
            String name,
            Tokenizer tokenizer,
            PoolingInfo info,
            Pooler pooler,
            EngineOptions options,
            Runnable onClose) {
        ServedModel served = new ServedModel(
                name,
                tokenizer,
                null,
                Map.of(),
                info.maxTokens(),
                info.vocabSize(),
                Map.of(),
                Set.copyOf(tokenizer.eosIds()),
                new PoolingOnly(name, null),
                new Seeds(options.seed()),
                pooler);
        return new LanguageModel(served, () -> {
            onClose.run();
            tokenizer.close();
        });
    }

    /**
     * Looks at the options before anything is loaded.
     *
     * @throws IllegalArgumentException if a decoder on this backend cannot do what they demand
     */
    static void check(PoolingOptions pooling, Backend backend) {
        if (pooling.runner() == PoolingOptions.Runner.POOLING && backend.stepsInFlight() != 1) {
            throw new IllegalArgumentException("the runner is pooling, but the " + backend.name()
                    + " backend computes no embeddings; use the cpu backend");
        }
    }

    /** A decoder's pooler on its engine's turns, or null where it has none: then the log says why. */
    static @Nullable Pooler decoder(
            Checkpoint checkpoint,
            DeviceModel device,
            LocalEngine engine,
            EngineOptions options,
            PoolingOptions pooling) {
        boolean demanded = pooling.runner() == PoolingOptions.Runner.POOLING;
        if (pooling.runner() == PoolingOptions.Runner.GENERATE) {
            return null;
        }
        if (device.backend().stepsInFlight() != 1) {
            return null;
        }
        try {
            Path path = device.path();
            SequenceTemplate template =
                    Files.isRegularFile(path.resolve("tokenizer.json")) ? SequenceTemplate.read(path) : null;
            PoolingSettings settings = PoolingSettings.ofDecoder(path).with(pooling.pooling(), pooling.normalise());
            int length = Math.min(engine.maxModelLength(), options.maxNumBatchedTokens());
            if (settings.maxTokens() > 0) {
                length = Math.min(length, settings.maxTokens());
            }
            PoolingInfo info = new PoolingInfo(
                    checkpoint.config().hidden(), checkpoint.config().vocabSize(), length, settings, template, null);
            DecoderStates runner = new DecoderStates(
                    device.decoder(),
                    device.backend(),
                    settings.pooling(),
                    options.maxNumBatchedTokens(),
                    options.maxNumSeqs());
            return new PoolingEngine(info, runner, engine, mostWaiting(options), options.maxNumQueuedTokens());
        } catch (ApusException e) {
            if (demanded) {
                throw e;
            }
            LOG.warn("{} is served without embeddings: {}", checkpoint.name(), e.getMessage());
            return null;
        }
    }
}
