package dev.apus.kernels.cuda;

import dev.apus.kernels.cuda.ffi.Nvrtc;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A source file of kernels with the constants it is compiled with.
 *
 * @param resource file beside this class, as {@code norm.cu}
 * @param defines preprocessor names and values, sorted; an empty value defines the name only
 */
record KernelSource(String resource, Map<String, String> defines) {
    private static final Pattern INCLUDE = Pattern.compile("^#include \"([a-z0-9_]+\\.cuh)\"$", Pattern.MULTILINE);

    KernelSource {
        defines = Collections.unmodifiableMap(new TreeMap<>(defines));
    }

    private static String text(String resource) {
        try (InputStream in = KernelSource.class.getResourceAsStream(resource)) {
            if (in == null) {
                throw new IllegalArgumentException("there is no kernel source " + resource);
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException("the kernel source " + resource + " cannot be read", e);
        }
    }

    /** Names and texts of the files that the source includes, and those that these include. */
    private static Map<String, String> headers(String source) {
        Map<String, String> headers = new TreeMap<>();
        addHeaders(source, headers);
        return headers;
    }

    private static void addHeaders(String source, Map<String, String> headers) {
        Matcher include = INCLUDE.matcher(source);
        while (include.find()) {
            String name = include.group(1);
            if (!headers.containsKey(name)) {
                String header = text(name);
                headers.put(name, header);
                addHeaders(header, headers);
            }
        }
    }

    private List<String> options(String architecture) {
        List<String> options = new ArrayList<>();
        options.add("--gpu-architecture=" + architecture);
        options.add("--std=c++17");
        options.add("-default-device");
        defines.forEach((name, value) -> options.add("-D" + name + (value.isEmpty() ? "" : "=" + value)));
        return options;
    }

    /** A hash of the texts and options: what the machine code depends on besides the compiler's version. */
    String key(String architecture) {
        // Lengths keep texts apart: no two different inputs give the same bytes.
        StringBuilder all = new StringBuilder();
        List<String> parts = new ArrayList<>(options(architecture));
        String source = text(resource);
        parts.addAll(headers(source).values());
        parts.add(source);
        for (String part : parts) {
            all.append(part.length()).append('\n').append(part).append('\n');
        }
        byte[] bytes = all.toString().getBytes(StandardCharsets.UTF_8);
        return HexFormat.of().formatHex(CubinCache.sha256(bytes, bytes.length));
    }

    /**
     * Compiles the source.
     *
     * @param architecture a real one, as {@code sm_90a}
     * @param more further options
     * @throws IllegalStateException if the source has errors, with the compiler's messages
     */
    Nvrtc.Compiled compile(String architecture, String... more) {
        List<String> options = options(architecture);
        options.addAll(List.of(more));
        String source = text(resource);
        Nvrtc.Compiled compiled = Nvrtc.compile(source, resource, headers(source), options);
        if (compiled.cubin() == null) {
            throw new IllegalStateException("the kernels of " + this + " do not compile for " + architecture
                    + " with NVRTC " + Nvrtc.version() + ":\n" + compiled.log());
        }
        return compiled;
    }

    @Override
    public String toString() {
        return resource + (defines.isEmpty() ? "" : " " + defines);
    }
}
