package dev.apus.server.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class RowsTest {
    @Test
    void whatFitsIsOneLine() {
        assertThat(Rows.of("memory", "7.75 GiB, heap up to 1.94 GiB").lines())
                .containsExactly("memory        7.75 GiB, heap up to 1.94 GiB");
    }

    @Test
    void whatIsLongGoesOnBelowItsBeginning() {
        String row = Rows.of("cuda", "not usable: " + "seven chars ".repeat(30).strip());
        assertThat(row.lines()).hasSizeGreaterThan(3).allMatch(line -> line.length() <= 100);
        assertThat(row.lines().skip(1)).allMatch(line -> line.matches(" {14}\\S.*"));
        assertThat(row.replaceAll("\\s+", " ")).isEqualTo("cuda not usable: " + "seven chars ".repeat(30));
    }

    @Test
    void aPathIsKeptWhole() {
        String path = "/x".repeat(60);
        assertThat(Rows.of("model", "tiny, " + path).lines())
                .containsExactly("model         tiny,", " ".repeat(14) + path);
    }
}
