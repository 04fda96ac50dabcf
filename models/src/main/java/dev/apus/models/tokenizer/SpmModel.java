package dev.apus.models.tokenizer;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What a SentencePiece model file ({@code tokenizer.model}) says; the fields and their defaults are those of
 * sentencepiece_model.proto.
 *
 * @param pieces strings by id
 * @param scores scores by id
 * @param types types by id, see {@link SpmVocabulary}
 * @param unigram whether the model is Unigram, else BPE
 * @param dummyPrefix whether a space is put before the text
 * @param tidySpaces whether runs of spaces become one, and spaces around the text go
 * @param charsMap compiled normalization rules; may be empty
 * @param bos beginning of sequence, or -1
 * @param eos end of sequence, or -1
 * @param pad padding, or -1
 */
record SpmModel(
        List<String> pieces,
        double[] scores,
        int[] types,
        boolean unigram,
        boolean dummyPrefix,
        boolean tidySpaces,
        byte[] charsMap,
        int bos,
        int eos,
        int pad) {
    private static final int UNIGRAM = 1;
    private static final int BPE = 2;

    /** @throws TokenizerException if the file is damaged or needs something that is not supported; the message says what */
    static SpmModel parse(String source, byte[] file) {
        return new Parser(source).parse(new ProtoReader(source, file));
    }

    private static final class Parser {
        private final String source;
        private final Map<String, Integer> ids = new HashMap<>();
        private final List<String> pieces = new ArrayList<>();
        private double[] scores = new double[1024];
        private int[] types = new int[1024];
        private int modelType = UNIGRAM;
        private boolean spaceAfterWords;
        private boolean dummyPrefix = true;
        private boolean tidySpaces = true;
        private boolean escapedSpaces = true;
        private byte[] charsMap = {};
        private int bos = 1;
        private int eos = 2;
        private int pad = -1;

        Parser(String source) {
            this.source = source;
        }

        SpmModel parse(ProtoReader in) {
            for (int field = in.next(); field != 0; field = in.next()) {
                switch (field) {
                    case 1 -> piece(in.message());
                    case 2 -> trainer(in.message());
                    case 3 -> normalizer(in.message());
                    default -> {} // self-test data, denormalizer, extensions: nothing that changes ids
                }
            }
            if (pieces.isEmpty()) {
                throw in.fault("has no pieces");
            }
            require(modelType == UNIGRAM || modelType == BPE, "model_type " + modelType, "1 (unigram) and 2 (bpe)");
            require(!spaceAfterWords, "treat_whitespace_as_suffix true", "false");
            require(escapedSpaces, "escape_whitespaces false", "true");
            int size = pieces.size();
            return new SpmModel(
                    List.copyOf(pieces),
                    Arrays.copyOf(scores, size),
                    Arrays.copyOf(types, size),
                    modelType == UNIGRAM,
                    dummyPrefix,
                    tidySpaces,
                    charsMap,
                    bos < size ? bos : -1,
                    eos < size ? eos : -1,
                    pad < size ? pad : -1);
        }

        private void require(boolean fits, String found, String supported) {
            if (!fits) {
                throw new TokenizerException(source + ": the SentencePiece model has " + found + "; supported is "
                        + supported + "; put the model's tokenizer.json beside it instead");
            }
        }

        private void piece(ProtoReader in) {
            int id = pieces.size();
            String piece = "";
            float score = 0;
            int type = SpmVocabulary.NORMAL;
            for (int field = in.next(); field != 0; field = in.next()) {
                switch (field) {
                    case 1 -> piece = in.text();
                    case 2 -> score = in.real();
                    case 3 -> type = in.number();
                    default -> {}
                }
            }
            if (piece.isEmpty()) {
                throw in.fault("has an empty piece, id " + id);
            }
            if (type < SpmVocabulary.NORMAL || type > SpmVocabulary.BYTE) {
                throw in.fault("gives piece " + id + " the type " + type + "; known are 1 to 6");
            }
            if (!Float.isFinite(score)) {
                throw in.fault("gives piece " + id + " the score " + score);
            }
            Integer twin = ids.putIfAbsent(piece, id);
            if (twin != null) {
                throw in.fault("has the piece \"" + piece + "\" twice, ids " + twin + " and " + id);
            }
            if (id == scores.length) {
                scores = Arrays.copyOf(scores, 2 * id);
                types = Arrays.copyOf(types, 2 * id);
            }
            scores[id] = score;
            types[id] = type;
            pieces.add(piece);
        }

        private void trainer(ProtoReader in) {
            for (int field = in.next(); field != 0; field = in.next()) {
                switch (field) {
                    case 3 -> modelType = in.number();
                    case 24 -> spaceAfterWords = in.flag();
                    case 41 -> bos = in.number();
                    case 42 -> eos = in.number();
                    case 43 -> pad = in.number();
                    default -> {} // how it was trained
                }
            }
        }

        private void normalizer(ProtoReader in) {
            for (int field = in.next(); field != 0; field = in.next()) {
                switch (field) {
                    case 2 -> charsMap = in.bytes();
                    case 3 -> dummyPrefix = in.flag();
                    case 4 -> tidySpaces = in.flag();
                    case 5 -> escapedSpaces = in.flag();
                    default -> {} // names
                }
            }
        }
    }
}
