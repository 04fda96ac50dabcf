package dev.apus.models.hub;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** One repository of ModelScope at one revision; its cache has plain files in the repository's shape. */
final class ModelScopeHub extends HubClient {
    private final URI endpoint;
    private final String id;
    private final String revision;
    private final Path folder;
    private final Path locks;

    ModelScopeHub(HubHttp http, Downloader downloader, HubOptions options, String id, String revision) {
        super(http, downloader);
        this.endpoint = options.modelScopeEndpoint();
        this.id = id;
        this.revision = revision;
        this.folder = folder(options.modelScopeCache(), id, revision);
        this.locks = options.modelScopeCache().resolve(".lock").resolve(id.replace("/", "___"));
    }

    /** The headers that carry a token, if there is one: the site's own clients send the cookie, newer interfaces take the header. */
    static Map<String, String> credentials(@Nullable String token) {
        return token == null ? Map.of() : Map.of("Authorization", "Bearer " + token, "Cookie", "m_session_id=" + token);
    }

    /**
     * Where a repository lies: {@code models/org/name}, dots of the name as {@code ___}, as the hub's own client writes them. That
     * layout has no place for a second revision, so others than the default get a folder of their own.
     */
    static Path folder(Path cache, String id, String revision) {
        int slash = id.indexOf('/');
        String name = id.substring(slash + 1).replace(".", "___");
        String suffix = revision.equals(HubKind.MODELSCOPE.defaultRevision()) ? "" : "@" + escape(revision);
        return cache.resolve("models").resolve(id.substring(0, slash)).resolve(name + suffix);
    }

    /** Asks for the listing and fetches what makes up the model. */
    Path fetchModel(@Nullable String variant) throws IOException, InterruptedException {
        String api = "/api/v1/models/" + id + "/repo";
        URI address = under(endpoint, api + "/files?Revision=" + escape(revision) + "&Recursive=true");
        JsonNode answer = Snapshots.parse(downloader.document(address, MAX_LISTING_BYTES), address.toString());
        JsonNode files = answer.path("Data").path("Files");
        if (!files.isArray()) {
            throw new HubException(address + " lists no files: "
                    + Names.quote(answer.path("Message").asString("no message given")));
        }
        Map<String, RemoteFile> listing = newListing();
        for (JsonNode file : files) {
            if (!file.path("Type").asString("blob").equals("tree")) {
                Digest digest = Digest.of(file.path("Sha256").asString(null));
                add(
                        listing,
                        address.toString(),
                        new RemoteFile(
                                file.path("Path").asString(""),
                                file.path("Size").asLong(-1),
                                digest));
            }
        }
        return fetchModel(endpoint + "/models/" + id, listing, variant);
    }

    @Override
    void fetch(List<RemoteFile> files) throws IOException, InterruptedException {
        List<Download> downloads = new ArrayList<>();
        for (RemoteFile file : files) {
            URI address = under(
                    endpoint,
                    "/api/v1/models/" + id + "/repo?Revision=" + escape(revision) + "&FilePath=" + escape(file.path()));
            Path target = Names.below(folder, file.path(), address.toString());
            Path lock = locks.resolve(escape(file.path()) + ".lock");
            downloads.add(new Download(file.path(), address, target, lock, file.size(), file.digest()));
        }
        downloader.fetch(downloads);
    }

    @Override
    Path folder() {
        return folder;
    }

    @Override
    void complete() {
        // files in their places are all there is: this cache has no references
    }
}
