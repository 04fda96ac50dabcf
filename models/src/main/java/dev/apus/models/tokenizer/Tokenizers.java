package dev.apus.models.tokenizer;

import dev.apus.loaders.GgufFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** Opens tokenizers. */
public final class Tokenizers {
    private Tokenizers() {}

    /** Opens the tokenizer that a GGUF file carries; the caller closes both, in any order. */
    public static Tokenizer of(GgufFile gguf) {
        return new GgufTokenizer(gguf.description(), gguf.metadata()).open();
    }

    /**
     * Opens a model's tokenizer; the caller closes it.
     *
     * @param path a model folder with a {@code tokenizer.json} or one {@code .gguf} file, or either of these files
     * @throws TokenizerException if there is none, or it cannot be used; the message says why
     */
    public static Tokenizer open(Path path) {
        if (Files.isDirectory(path)) {
            Path json = path.resolve("tokenizer.json");
            if (Files.isRegularFile(json)) {
                return json(json);
            }
            return gguf(onlyGguf(path));
        }
        return path.toString().endsWith(".gguf") ? gguf(path) : json(path);
    }

    private static Path onlyGguf(Path folder) {
        try (Stream<Path> files = Files.list(folder)) {
            List<Path> found = files.filter(file -> file.toString().endsWith(".gguf"))
                    .sorted()
                    .toList();
            if (found.size() == 1) {
                return found.getFirst();
            }
            throw new TokenizerException(
                    folder + ": no tokenizer.json and " + found.size()
                            + " GGUF files in this folder; needed is a tokenizer.json or exactly one GGUF file (name it to choose)");
        } catch (IOException e) {
            throw new TokenizerException(folder + ": cannot be listed: " + e, e);
        }
    }

    private static Tokenizer gguf(Path file) {
        try (GgufFile gguf = GgufFile.open(file)) {
            return of(gguf);
        }
    }

    private static Tokenizer json(Path file) {
        String source = file.toString();
        TokenizerJson json = new TokenizerJson(source, text(file));
        Vocabulary vocabulary = json.vocabulary();
        Path folder = file.toAbsolutePath().getParent();
        SpecialIds ids = new FolderIds(folder == null ? file : folder).read(vocabulary);
        return new EngineTokenizer(source, json, vocabulary, ids);
    }

    private static String text(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new TokenizerException(file + ": cannot be read: " + e, e);
        }
    }
}
