package dev.apus.models.hub;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Objects;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * One repository in the Hugging Face cache, in the layout that huggingface_hub shares between libraries: {@code blobs/<etag>},
 * {@code snapshots/<commit>/<path>} as relative links to blobs, {@code refs/<branch>} with a commit.
 *
 * @param root {@code models--org--name}
 * @param locks where lock files go
 */
record HuggingFaceCache(Path root, Path locks) {
    private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");
    private static final Pattern ETAG = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,127}");

    /** A ref holds the 40 characters of a commit; a file much larger is none. */
    private static final int MAX_REF_BYTES = 1024;

    /** The place of repository {@code id} in {@code cache}. */
    static HuggingFaceCache of(Path cache, String id) {
        String folder = "models--" + id.replace("/", "--");
        return new HuggingFaceCache(
                cache.resolve(folder), cache.resolve(".locks").resolve(folder));
    }

    /** @throws HubException if {@code commit}, which becomes a folder's name, is no Git commit */
    static String checkCommit(String commit, String source) {
        if (!COMMIT.matcher(commit).matches()) {
            throw new HubException(source + " names the commit " + Names.quote(commit) + ", which is no Git commit");
        }
        return commit;
    }

    /** @throws HubException if {@code etag} cannot be a file's name */
    Path blob(String etag, String source) {
        if (!ETAG.matcher(etag).matches()) {
            throw new HubException(source + " has the entity tag " + Names.quote(etag) + ", which is no hash");
        }
        return root.resolve("blobs").resolve(etag);
    }

    Path lock(String etag) {
        return locks.resolve(etag + ".lock");
    }

    Path snapshot(String commit) {
        return root.resolve("snapshots").resolve(commit);
    }

    /** The model that is whole in the cache for {@code revision}, if any. */
    Optional<Path> find(String revision, @Nullable String variant) {
        String commit = COMMIT.matcher(revision).matches() ? revision : readRef(revision);
        if (commit == null || !Files.isDirectory(snapshot(commit))) {
            return Optional.empty();
        }
        return Snapshots.model(snapshot(commit), variant);
    }

    private @Nullable String readRef(String revision) {
        Path ref = root.resolve("refs").resolve(revision);
        try {
            if (!Files.isRegularFile(ref) || Files.size(ref) > MAX_REF_BYTES) {
                return null;
            }
            String commit = Files.readString(ref).strip();
            return COMMIT.matcher(commit).matches() ? commit : null;
        } catch (NoSuchFileException e) {
            return null;
        } catch (IOException e) {
            throw new HubException("the cache's " + ref + " cannot be read: " + e.getMessage() + "; delete it", e);
        }
    }

    void writeRef(String revision, String commit) throws IOException {
        if (COMMIT.matcher(revision).matches()) {
            return; // a commit names itself
        }
        Path ref = root.resolve("refs").resolve(revision);
        Files.createDirectories(ref.getParent());
        Path part = Files.createTempFile(ref.getParent(), ".ref", null);
        Files.writeString(part, commit);
        Files.move(part, ref, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    /** Makes {@code path} of a snapshot lead to a blob: by a relative link, or a copy where the file system has no links. */
    void link(String commit, String path, Path blob) throws IOException {
        Path pointer = Names.below(snapshot(commit), path, "the listing of " + root.getFileName());
        if (Files.exists(pointer)) {
            return;
        }
        Path folder = Objects.requireNonNull(pointer.getParent(), "a snapshot's file lies in a folder");
        Files.createDirectories(folder);
        Files.deleteIfExists(pointer); // a link to a blob that is gone
        try {
            Files.createSymbolicLink(pointer, folder.relativize(blob));
        } catch (java.nio.file.FileAlreadyExistsException e) {
            return; // another process was faster
        } catch (IOException | UnsupportedOperationException e) {
            Path part = Files.createTempFile(folder, ".copy", null);
            Files.copy(blob, part, StandardCopyOption.REPLACE_EXISTING);
            Files.move(part, pointer, StandardCopyOption.ATOMIC_MOVE);
        }
    }

    /** The names below a folder, with {@code /} between. */
    static java.util.List<String> pathsBelow(Path folder) {
        try (Stream<Path> walk = Files.walk(folder)) {
            return walk.filter(Files::isRegularFile)
                    .map(f -> folder.relativize(f).toString().replace('\\', '/'))
                    .toList();
        } catch (IOException e) {
            throw new HubException(folder + " cannot be listed: " + e.getMessage(), e);
        }
    }
}
