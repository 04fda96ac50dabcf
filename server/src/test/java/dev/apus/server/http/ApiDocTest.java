package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** {@code docs/api.md} promises nothing that no test holds. */
class ApiDocTest {
    private static final Path DOCUMENT = Path.of("../docs/api.md");
    /** The first cells of a row: what, and whether. */
    private static final Pattern STATUS = Pattern.compile("(yes|extension|no): (.+)", Pattern.DOTALL);

    private static final Pattern TEST = Pattern.compile("`(\\w+Test)`");

    @Test
    void everyYesNamesATestThatExistsAndEveryNoAReason() throws IOException {
        Set<String> tests = tests();
        List<String> wrong = new ArrayList<>();
        for (String row : rows()) {
            String status = row.substring(row.lastIndexOf('|') + 1).strip();
            Matcher matcher = STATUS.matcher(status);
            if (!matcher.matches()) {
                wrong.add("the last cell must be 'yes: `SomeTest`', 'extension: `SomeTest`' or 'no: reason': " + row);
            } else if (!matcher.group(1).equals("no")) {
                List<String> named = TEST.matcher(status)
                        .results()
                        .map(found -> found.group(1))
                        .toList();
                if (named.isEmpty() || !tests.containsAll(named)) {
                    wrong.add("names no test, or one that does not exist: " + row);
                }
            }
        }
        assertThat(wrong).as("rows of docs/api.md").isEmpty();
    }

    @Test
    void everyRouteHasARow() throws IOException {
        String rows = String.join("\n", rows());
        try (ApiServer server = new ApiServer(new CharTokenizer(), new StubEngine())) {
            assertThat(server.routes()).allSatisfy(route -> {
                String path = route.path().endsWith("*")
                        ? route.path().substring(0, route.path().length() - 1) + "{"
                        : route.path() + "`";
                assertThat(rows).as("rows of docs/api.md").contains("`" + path);
            });
        }
    }

    /** Rows of the tables without their borders. */
    private static List<String> rows() throws IOException {
        List<String> rows = Files.readString(DOCUMENT, StandardCharsets.UTF_8)
                .lines()
                .filter(line -> line.startsWith("|") && !line.startsWith("|---") && !line.startsWith("| what |"))
                .map(line -> line.substring(1, line.lastIndexOf('|')).strip())
                .toList();
        assertThat(rows).hasSizeGreaterThan(80);
        return rows;
    }

    /** Names of the test classes of all modules. */
    private static Set<String> tests() throws IOException {
        Set<String> names = new HashSet<>();
        try (Stream<Path> modules = Files.list(Path.of(".."))) {
            for (Path module : modules.toList()) {
                Path sources = module.resolve("src/test/java");
                if (Files.isDirectory(sources)) {
                    try (Stream<Path> files = Files.walk(sources)) {
                        files.map(file -> file.getFileName().toString())
                                .filter(name -> name.endsWith("Test.java"))
                                .forEach(name -> names.add(name.substring(0, name.length() - ".java".length())));
                    }
                }
            }
        }
        return names;
    }
}
