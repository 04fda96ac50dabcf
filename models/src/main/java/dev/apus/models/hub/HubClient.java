package dev.apus.models.hub;

import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What both hubs share: choose the files that make up the model, fetch them, hand back what to open. */
abstract sealed class HubClient implements AutoCloseable permits HuggingFaceHub, ModelScopeHub {
    /** The largest repositories of models have some thousands; what a hostile listing says is kept in memory. */
    static final int MAX_FILES = 100_000;

    /** A listing of {@link #MAX_FILES} entries at about 600 bytes each. */
    static final long MAX_LISTING_BYTES = 64L << 20;

    final HubHttp http;
    final Downloader downloader;

    HubClient(HubHttp http, Downloader downloader) {
        this.http = http;
        this.downloader = downloader;
    }

    /** Fetches {@code files}, which are then under their final names in {@link #folder}. */
    abstract void fetch(List<RemoteFile> files) throws IOException, InterruptedException;

    /** The folder in the shape of the repository. */
    abstract Path folder();

    /** Called once when everything is there. */
    abstract void complete() throws IOException;

    /** Fetches the model out of {@code listing}: one GGUF, or configuration, tokenizer and safetensors. */
    Path fetchModel(String where, Map<String, RemoteFile> listing, @Nullable String variant)
            throws IOException, InterruptedException {
        Collection<String> paths = listing.keySet();
        boolean indexed = paths.contains(ModelFiles.INDEX) && !paths.contains(ModelFiles.SINGLE);
        boolean safetensors = indexed || !ModelFiles.plainSafetensors(paths).isEmpty();
        if (variant != null || !safetensors) {
            if (variant == null && ModelFiles.ggufModels(paths).isEmpty()) {
                throw new HubException(
                        where + " has neither safetensors nor GGUF files; there are " + ModelFiles.list(paths));
            }
            List<String> parts = ModelFiles.chooseGguf(where, paths, variant);
            fetch(pick(where, listing, parts));
            complete();
            return folder().resolve(parts.getFirst());
        }
        List<String> side = paths.stream()
                .filter(p -> ModelFiles.isSideFile(p) || (indexed && p.equals(ModelFiles.INDEX)))
                .toList();
        fetch(pick(where, listing, side));
        Collection<String> weights =
                indexed ? Snapshots.shards(folder().resolve(ModelFiles.INDEX)) : ModelFiles.plainSafetensors(paths);
        fetch(pick(where, listing, weights)); // last: a folder with weights counts as whole
        complete();
        return folder();
    }

    private static List<RemoteFile> pick(String where, Map<String, RemoteFile> listing, Collection<String> paths) {
        List<RemoteFile> files = new ArrayList<>();
        for (String path : paths) {
            RemoteFile file = listing.get(path);
            if (file == null) {
                throw new HubException(
                        where + ": the index names " + Names.quote(path) + ", which the repository does not have");
            }
            files.add(file);
        }
        return files;
    }

    /** Adds a listed file after checking its name. */
    static void add(Map<String, RemoteFile> listing, String where, RemoteFile file) {
        if (!Names.isSafeRelative(file.path())) {
            throw new HubException(where + " lists the file " + Names.quote(file.path())
                    + ", which is no plain relative path: refused, as it could be written outside the cache");
        }
        if (listing.put(file.path(), file) != null) {
            throw new HubException(where + " lists " + Names.quote(file.path()) + " twice");
        }
        if (listing.size() > MAX_FILES) {
            throw new HubException(where + " lists more than " + MAX_FILES + " files");
        }
    }

    static Map<String, RemoteFile> newListing() {
        return new LinkedHashMap<>();
    }

    /** One part of an address, everything special escaped, slashes too. */
    static String escape(String part) {
        return URLEncoder.encode(part, StandardCharsets.UTF_8).replace("+", "%20");
    }

    /** A path in an address: escaped, but for its slashes. */
    static String escapePath(String path) {
        return escape(path).replace("%2F", "/");
    }

    static URI under(URI endpoint, String rest) {
        return URI.create(endpoint + rest);
    }

    @Override
    public void close() {
        http.close();
    }
}
