package dev.apus.server.cli;

import dev.apus.kernels.cuda.CudaSupport;
import dev.apus.kernels.cuda.ffi.ApusCache;
import dev.apus.kernels.cuda.ffi.LibrarySearch;
import dev.apus.models.hub.ConsoleProgress;
import dev.apus.models.hub.HubOptions;
import dev.apus.models.hub.PackageFiles;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;

/** What {@code apus doctor} knows about CUDA, and how it fetches what is missing of NVIDIA's libraries. */
final class CudaReport {
    /** The last package that holds both libraries; of CUDA 12, which every driver from 525 on runs. */
    static final String PACKAGE = "org.bytedeco:cuda:12.6-9.5-1.5.11:linux-x86_64-redist";

    private static final long PACKAGE_BYTES = 2_026_748_503L;
    private static final Pattern LIBRARIES = Pattern.compile("lib(nvrtc(-builtins)?|cublasLt)\\.so\\..*");

    private CudaReport() {}

    /** A line for each part: {@code name value}. */
    interface Row {
        void print(String name, String value);
    }

    static void print(Row row) {
        String obstacle = CudaSupport.obstacle();
        row.print("cuda", obstacle == null ? "usable" : "not usable: " + obstacle);
        for (CudaSupport.Finding finding : CudaSupport.findings()) {
            // the driver's obstacle has just been told
            if (finding.usable() || !finding.state().equals(obstacle)) {
                row.print("  " + finding.part(), (finding.usable() ? "" : "missing; ") + finding.state());
            }
        }
    }

    /** Fetches NVRTC and cuBLASLt into Apus' cache folder; says first what that costs. */
    static void fetch(PrintStream out) {
        Path folder = LibrarySearch.fetchedFolder(ApusCache.folder());
        HubOptions options = HubOptions.fromEnvironment(System.getenv());
        fetch(new PackageFiles(options), folder, out);
    }

    static void fetch(PackageFiles files, Path folder, PrintStream out) {
        out.printf(
                "Fetching %s with Maven: 2.0 GB, which stay in Maven's local repository; while it runs another 2.6 GB in %s, of which"
                        + " 0.6 GB stay. NVIDIA's licence for CUDA applies to these libraries.%n",
                PACKAGE, folder);
        List<Path> fetched;
        try (ConsoleProgress progress = ConsoleProgress.onStandardError()) {
            fetched = files.fetch(PACKAGE, LIBRARIES, folder, PACKAGE_BYTES, progress);
        }
        fetched.forEach(file -> out.println("  " + file));
    }
}
