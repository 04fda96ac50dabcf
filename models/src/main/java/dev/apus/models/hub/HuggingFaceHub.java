package dev.apus.models.hub;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** One repository of the Hugging Face hub at one commit. */
final class HuggingFaceHub extends HubClient {
    private final URI endpoint;
    private final String id;
    private final String revision;
    private final HuggingFaceCache cache;
    private final HubOptions options;
    private String commit = "";

    HuggingFaceHub(
            HubHttp http,
            Downloader downloader,
            HubOptions options,
            String id,
            String revision,
            HuggingFaceCache cache) {
        super(http, downloader);
        this.options = options;
        this.endpoint = options.huggingFaceEndpoint();
        this.id = id;
        this.revision = revision;
        this.cache = cache;
    }

    /** The headers that carry a token, if there is one. */
    static Map<String, String> credentials(@Nullable String token) {
        return token == null ? Map.of() : Map.of("Authorization", "Bearer " + token);
    }

    /** Asks for the listing, which pins the commit, and fetches what makes up the model. */
    Path fetchModel(@Nullable String variant) throws IOException, InterruptedException {
        URI address = under(endpoint, "/api/models/" + id + "/revision/" + escape(revision) + "?blobs=true");
        JsonNode info = Snapshots.parse(downloader.document(address, MAX_LISTING_BYTES), address.toString());
        commit = HuggingFaceCache.checkCommit(info.path("sha").asString(""), address.toString());
        Map<String, RemoteFile> listing = newListing();
        for (JsonNode sibling : info.path("siblings")) {
            JsonNode lfs = sibling.path("lfs");
            Digest digest =
                    Digest.of(lfs.path("sha256").asString(lfs.path("oid").asString(null)));
            if (digest == null) {
                digest = Digest.of(sibling.path("blobId").asString(null));
            }
            long size = lfs.path("size").asLong(sibling.path("size").asLong(-1));
            add(
                    listing,
                    address.toString(),
                    new RemoteFile(sibling.path("rfilename").asString(""), size, digest));
        }
        return fetchModel(endpoint + "/" + id, listing, variant);
    }

    @Override
    void fetch(List<RemoteFile> files) throws IOException, InterruptedException {
        List<Download> downloads = new ArrayList<>();
        for (RemoteFile file : files) {
            downloads.add(download(file));
        }
        downloader.fetch(downloads);
        for (int i = 0; i < files.size(); i++) { // all or none: a snapshot with weights counts as whole
            cache.link(commit, files.get(i).path(), downloads.get(i).target());
        }
    }

    private Download download(RemoteFile file) throws IOException, InterruptedException {
        URI address = under(endpoint, "/" + id + "/resolve/" + commit + "/" + escapePath(file.path()));
        String etag;
        long size = file.size();
        Digest digest = file.digest();
        if (digest != null) {
            etag = digest.hex();
        } else { // a mirror without blobs in its listing: the file's own headers tell
            try (HubHttp.Answer head = headWithRetries(address)) {
                String tag = head.hubHeaders()
                        .firstValue("x-linked-etag")
                        .or(() -> head.hubHeaders().firstValue("etag"))
                        .orElse("");
                etag = tag.replaceFirst("^W/", "").replace("\"", "");
                size = head.hubHeaders()
                        .firstValue("x-linked-size")
                        .or(() -> head.headers().firstValue("content-length"))
                        .filter(s -> s.matches("\\d{1,18}"))
                        .map(Long::parseLong)
                        .orElse(size);
                String at = head.hubHeaders().firstValue("x-repo-commit").orElse(commit);
                if (!at.equals(commit)) {
                    throw new HubException(address + " is of commit " + Names.quote(at) + ", not of " + commit);
                }
                digest = Digest.of(etag);
            }
        }
        return new Download(file.path(), address, cache.blob(etag, address.toString()), cache.lock(etag), size, digest);
    }

    private HubHttp.Answer headWithRetries(URI address) throws IOException, InterruptedException {
        for (int failures = 1; ; failures++) {
            try {
                return http.send("HEAD", address, Map.of("Accept-Encoding", "identity"));
            } catch (IOException e) {
                if (failures > options.retries()) {
                    throw new HubException(
                            address + " failed " + failures + " times, at last with: " + Downloader.reason(e), e);
                }
                Downloader.pause(e, failures, options);
            }
        }
    }

    @Override
    Path folder() {
        return cache.snapshot(commit);
    }

    @Override
    void complete() throws IOException {
        cache.writeRef(revision, commit);
    }
}
