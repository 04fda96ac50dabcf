package dev.apus.models.tokenizer;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * A running {@link DecodeStep}: takes pieces, passes on what is certain. Before the tokens are fused a piece is a token, after it a
 * fragment of the one string. Work and memory per token are bounded by the token's length, save that a run of byte tokens is held until
 * it ends (see {@link DecodeStep.ByteFallback}).
 */
abstract sealed class DecodeStage {
    /** Takes the next token or fragment. */
    abstract void push(String piece);

    /** Ends the sequence: passes on what was held back. */
    abstract void end();

    static DecodeStage of(DecodeStep step, boolean fragments, DecodeStage next) {
        return switch (step) {
            case DecodeStep.ByteLevel _ -> new Bytes(next);
            case DecodeStep.ByteFallback _ -> new ByteRuns(next);
            case DecodeStep.Fuse _ -> next;
            case DecodeStep.Strip strip -> fragments ? new StripWhole(strip, next) : new StripEach(strip, next);
            case DecodeStep.Replace replace -> new Middle(replace, next);
            case DecodeStep.Metaspace space -> new Spaces(space, fragments, next);
            case DecodeStep.WordPiece words -> fragments ? next : new Words(words, next);
            case DecodeStep.WordSuffix suffix -> new Suffixed(suffix, next);
            case DecodeStep.Spaced spaced -> new Joined(spaced, next);
        };
    }

    /** The end of the chain. */
    static final class Output extends DecodeStage {
        private final StringBuilder out;

        Output(StringBuilder out) {
            this.out = out;
        }

        @Override
        void push(String piece) {
            out.append(piece);
        }

        @Override
        void end() {}
    }

    private abstract static sealed class Linked extends DecodeStage {
        final DecodeStage next;

        Linked(DecodeStage next) {
            this.next = next;
        }

        @Override
        void end() {
            next.end();
        }
    }

    private static final class Bytes extends Linked {
        private final LossyUtf8 utf8 = new LossyUtf8();
        private final StringBuilder text = new StringBuilder();

        Bytes(DecodeStage next) {
            super(next);
        }

        @Override
        void push(String token) {
            utf8.feed(ByteAlphabet.read(token), text);
            flush();
        }

        @Override
        void end() {
            utf8.end(text);
            flush();
            next.end();
        }

        private void flush() {
            if (!text.isEmpty()) {
                next.push(text.toString());
                text.setLength(0);
            }
        }
    }

    /** Holds a run of byte tokens: a later bad byte turns all of it into U+FFFD, so nothing of it is certain before. */
    private static final class ByteRuns extends Linked {
        private byte[] run = new byte[8];
        private int length;

        ByteRuns(DecodeStage next) {
            super(next);
        }

        @Override
        void push(String token) {
            int value = DecodeStep.ByteFallback.value(token);
            if (value < 0) {
                flush();
                next.push(token);
                return;
            }
            if (length == run.length) {
                run = Arrays.copyOf(run, 2 * length);
            }
            run[length++] = (byte) value;
        }

        @Override
        void end() {
            flush();
            next.end();
        }

        private void flush() {
            if (length == 0) {
                return;
            }
            try {
                next.push(StandardCharsets.UTF_8
                        .newDecoder()
                        .decode(ByteBuffer.wrap(run, 0, length))
                        .toString());
            } catch (CharacterCodingException e) {
                for (int i = 0; i < length; i++) {
                    next.push("\uFFFD");
                }
            }
            length = 0;
        }
    }

    private static final class StripEach extends Linked {
        private final DecodeStep.Strip step;

        StripEach(DecodeStep.Strip step, DecodeStage next) {
            super(next);
            this.step = step;
        }

        @Override
        void push(String token) {
            next.push(step.apply(token));
        }
    }

    /** Strips the fused string: at its start once, at its end by holding back as many characters as may have to go. */
    private static final class StripWhole extends Linked {
        private final DecodeStep.Strip step;
        private final String content;
        private int toStrip;
        private int held;

        StripWhole(DecodeStep.Strip step, DecodeStage next) {
            super(next);
            this.step = step;
            this.content = Character.toString(step.content());
            this.toStrip = step.start();
        }

        @Override
        void push(String fragment) {
            int from = 0;
            while (toStrip > 0 && from < fragment.length()) {
                if (fragment.codePointAt(from) == step.content()) {
                    from += content.length();
                    toStrip--;
                } else {
                    toStrip = 0;
                }
            }
            int to = fragment.length();
            int trailing = 0;
            while (trailing < step.stop() && to > from && fragment.codePointBefore(to) == step.content()) {
                to -= content.length();
                trailing++;
            }
            if (to > from) {
                pass(content.repeat(held) + fragment.substring(from, to));
                held = trailing;
            } else {
                int total = held + trailing;
                held = Math.min(total, step.stop());
                pass(content.repeat(total - held));
            }
        }

        private void pass(String text) {
            if (!text.isEmpty()) {
                next.push(text);
            }
        }
    }

    private static final class Middle extends Linked {
        private final DecodeStep step;

        Middle(DecodeStep step, DecodeStage next) {
            super(next);
            this.step = step;
        }

        @Override
        void push(String piece) {
            next.push(step.middle(piece));
        }
    }

    private static final class Spaces extends Linked {
        private final DecodeStep.Metaspace step;
        private final boolean fragments;
        private boolean first = true;

        Spaces(DecodeStep.Metaspace step, boolean fragments, DecodeStage next) {
            super(next);
            this.step = step;
            this.fragments = fragments;
        }

        @Override
        void push(String piece) {
            boolean drop = first && step.prepended();
            first = fragments; // of a fused string every fragment belongs to the first and only token
            next.push(drop ? piece.replace(step.replacement(), "") : step.middle(piece));
        }
    }

    private static final class Words extends Linked {
        private final DecodeStep.WordPiece step;
        private boolean first = true;

        Words(DecodeStep.WordPiece step, DecodeStage next) {
            super(next);
            this.step = step;
        }

        @Override
        void push(String token) {
            next.push(first ? step.tidy(token) : step.middle(token));
            first = false;
        }
    }

    /** One token behind: the last one's suffix is no space. */
    private static final class Suffixed extends Linked {
        private final DecodeStep.WordSuffix step;
        private @Nullable String held;

        Suffixed(DecodeStep.WordSuffix step, DecodeStage next) {
            super(next);
            this.step = step;
        }

        @Override
        void push(String token) {
            if (held != null) {
                next.push(step.middle(held));
            }
            held = token;
        }

        @Override
        void end() {
            if (held != null) {
                next.push(held.replace(step.suffix(), ""));
                held = null;
            }
            next.end();
        }
    }

    private static final class Joined extends Linked {
        private final DecodeStep.Spaced step;
        private boolean first = true;

        Joined(DecodeStep.Spaced step, DecodeStage next) {
            super(next);
            this.step = step;
        }

        @Override
        void push(String token) {
            next.push(first ? token : step.middle(token));
            first = false;
        }
    }
}
