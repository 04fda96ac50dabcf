package dev.apus.loaders;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A mapping lives as long as somebody holds it. */
class MappedFileTest {
    @Test
    void isClosedWhateverItsReaderThrows(@TempDir Path folder) {
        Path path = GgufBytes.write(folder, "some.gguf", new byte[] {1, 2, 3});
        for (Throwable fault :
                List.of(new CheckpointException("bad"), new ArithmeticException(), new StackOverflowError())) {
            List<MappedFile> opened = new ArrayList<>();
            assertThatThrownBy(() -> MappedFile.open(path, file -> {
                        opened.add(file);
                        throw asUnchecked(fault);
                    }))
                    .isSameAs(fault);
            assertThatThrownBy(opened.getFirst()::checkOpen).hasMessageContaining("is closed");
            assertThatThrownBy(() -> opened.getFirst().bytes().getAtIndex(java.lang.foreign.ValueLayout.JAVA_BYTE, 0))
                    .isInstanceOf(IllegalStateException.class);
        }
    }

    private static RuntimeException asUnchecked(Throwable fault) {
        if (fault instanceof Error error) {
            throw error;
        }
        return (RuntimeException) fault;
    }
}
