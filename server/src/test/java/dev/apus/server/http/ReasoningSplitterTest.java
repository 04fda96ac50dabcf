package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.stream.Stream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Thoughts are told from the answer, however the text is split. */
class ReasoningSplitterTest {
    private static final ReasoningFormat THINK = new ReasoningFormat("<think>", "</think>", false);

    private static Stream<List<String>> texts() {
        return Stream.of(
                List.of("false", "<think>a b</think>c", "a b", "c"),
                List.of("false", " \n<think>\na\n b\n</think>\n\nc\n", "a\n b", "c\n"),
                List.of("false", "<think></think>c", "", "c"),
                List.of("false", "<think>\n\n</think>\n\nc", "", "c"),
                List.of("false", "no thought", "", "no thought"),
                List.of("false", " \n no thought", "", " \n no thought"),
                List.of("false", "a <think>b</think>", "", "a <think>b</think>"),
                List.of("false", "<thin", "", "<thin"),
                List.of("false", "<think>a</thin", "a</thin", ""),
                List.of("false", "<think>a </think", "a </think", ""),
                List.of("false", "<think>a < /think> b</think>c</think>", "a < /think> b", "c</think>"),
                List.of("false", "<think>a<think>b</think>c", "a<think>b", "c"),
                List.of("false", "  ", "", "  "),
                List.of("true", "a</think>c", "a", "c"),
                List.of("true", "<think>a</think>c", "a", "c"),
                List.of("true", "\n</think>\nc", "", "c"),
                List.of("true", "a", "a", ""),
                List.of("true", "</thinka</think>c", "</thinka", "c"),
                List.of("true", "<</think>", "<", ""));
    }

    @ParameterizedTest
    @MethodSource("texts")
    void tellsThoughtsFromTheAnswer(List<String> example) {
        boolean within = example.get(0).equals("true");
        String text = example.get(1);
        assertThat(split(within, List.of(text))).isEqualTo(example.subList(2, 4));
        assertThat(split(within, List.of(text.split("")))).isEqualTo(example.subList(2, 4));
    }

    @Property(tries = 500)
    void theResultDoesNotDependOnTheSplit(@ForAll("pieces") List<String> pieces, @ForAll boolean within) {
        assertThat(split(within, pieces)).isEqualTo(split(within, List.of(String.join("", pieces))));
    }

    @Provide
    Arbitrary<List<String>> pieces() {
        return Arbitraries.of("<", "<think>", "</", "</think>", "think>", "thi", "nk>", " ", "\n", "a", "b>", "/", "")
                .list()
                .ofMaxSize(14);
    }

    private static List<String> split(boolean within, List<String> pieces) {
        ReasoningSplitter splitter = new ReasoningSplitter(THINK, within);
        StringBuilder reasoning = new StringBuilder();
        StringBuilder answer = new StringBuilder();
        pieces.forEach(piece -> splitter.add(piece, reasoning, answer));
        splitter.finish(reasoning, answer);
        return List.of(reasoning.toString(), answer.toString());
    }
}
