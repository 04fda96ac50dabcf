package dev.apus.models.tokenizer;

import dev.apus.loaders.GgufFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Opens tokenizers. */
public final class Tokenizers {
    /** Names under which folders keep a vocabulary that is not a tokenizer.json; the content tells SentencePiece from tiktoken. */
    private static final List<String> VOCABULARIES =
            List.of("tokenizer.model", "tiktoken.model", "spiece.model", "sentencepiece.bpe.model");
    /** Vocabulary files have a few megabytes; one beyond this is something else. */
    private static final long MAX_VOCABULARY_BYTES = 64 << 20;

    private Tokenizers() {}

    /** Opens the tokenizer that a GGUF file carries; the caller closes both, in any order. */
    public static Tokenizer of(GgufFile gguf) {
        return whileLibraryLoads(() -> new GgufTokenizer(gguf.description(), gguf.metadata()).open());
    }

    /**
     * Opens a model's tokenizer; the caller closes it. In a folder the first of these is taken: {@code tokenizer.json}, a SentencePiece or
     * tiktoken {@code tokenizer.model} (or {@code tiktoken.model}, {@code spiece.model}, {@code sentencepiece.bpe.model}), one
     * {@code *.tiktoken} file, one {@code .gguf} file. Configuration files beside it name special and added tokens.
     *
     * @param path a model folder, or one of these files
     * @throws TokenizerException if there is none, or it cannot be used; the message says why
     */
    public static Tokenizer open(Path path) {
        return whileLibraryLoads(() -> file(Files.isDirectory(path) ? find(path) : path));
    }

    /**
     * Opens while a thread of its own loads the native library, which takes as long as reading a vocabulary. A failure to load is reported
     * by whoever uses the library.
     */
    private static Tokenizer whileLibraryLoads(Supplier<Tokenizer> opening) {
        Thread loading = Thread.ofPlatform().name("apus-tokenizer-library").start(NativeLoader::failure);
        try {
            return opening.get();
        } finally {
            try {
                loading.join();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt(); // the thread ends by itself
            }
        }
    }

    /** Whether {@link #open} finds a tokenizer at a path, usable or not. */
    public static boolean isAt(Path path) {
        return !Files.isDirectory(path) || lookFor(path) != null;
    }

    private static Path find(Path folder) {
        Path found = lookFor(folder);
        if (found == null) {
            throw new TokenizerException(
                    folder + ": no tokenizer.json, none of " + VOCABULARIES + ", "
                            + ending(folder, ".tiktoken").size() + " tiktoken files and "
                            + ending(folder, ".gguf").size()
                            + " GGUF files in this folder; needed is one of the former or exactly one of the latter (name it to choose)");
        }
        return found;
    }

    private static @Nullable Path lookFor(Path folder) {
        Path json = folder.resolve("tokenizer.json");
        if (Files.isRegularFile(json)) {
            return json;
        }
        for (String name : VOCABULARIES) {
            if (Files.isRegularFile(folder.resolve(name))) {
                return folder.resolve(name);
            }
        }
        List<Path> ranks = ending(folder, ".tiktoken");
        List<Path> found = ranks.isEmpty() ? ending(folder, ".gguf") : ranks;
        return found.size() == 1 ? found.getFirst() : null;
    }

    private static List<Path> ending(Path folder, String suffix) {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(file -> file.toString().endsWith(suffix))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new TokenizerException(folder + ": cannot be listed: " + e, e);
        }
    }

    private static Tokenizer file(Path file) {
        String name = String.valueOf(file.getFileName());
        if (name.endsWith(".gguf")) {
            try (GgufFile gguf = GgufFile.open(file)) {
                return new GgufTokenizer(gguf.description(), gguf.metadata()).open();
            }
        }
        Path parent = file.toAbsolutePath().getParent();
        Path folder = parent == null ? file : parent;
        if (!name.endsWith(".model") && !name.endsWith(".tiktoken")) {
            return json(file, folder);
        }
        byte[] content = vocabulary(file);
        // a SentencePiece model starts with the tag of its first piece; a line of ranks never starts with a line feed
        return content.length > 0 && content[0] != '\n'
                ? new TiktokenFolder(file, folder, content).open()
                : new SpmFolder(file, folder, content).open();
    }

    private static Tokenizer json(Path file, Path folder) {
        String source = file.toString();
        TokenizerJson json = new TokenizerJson(source, text(file));
        Vocabulary vocabulary = json.vocabulary();
        SpecialIds ids = new FolderIds(folder).read(vocabulary);
        return new EngineTokenizer(source, json, vocabulary, DecodePlan.parse(json.decoder()), ids);
    }

    private static byte[] vocabulary(Path file) {
        try {
            long size = Files.size(file);
            if (size > MAX_VOCABULARY_BYTES) {
                throw new TokenizerException(
                        file + ": has " + size + " bytes; a vocabulary has at most " + MAX_VOCABULARY_BYTES);
            }
            return Files.readAllBytes(file);
        } catch (IOException e) {
            throw new TokenizerException(file + ": cannot be read: " + e, e);
        }
    }

    private static String text(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new TokenizerException(file + ": cannot be read: " + e, e);
        }
    }
}
