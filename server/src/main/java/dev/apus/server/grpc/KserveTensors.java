package dev.apus.server.grpc;

import com.google.protobuf.ByteString;
import dev.apus.proto.kserve.InferParameter;
import dev.apus.proto.kserve.ModelInferRequest;
import dev.apus.proto.kserve.ModelInferRequest.InferInputTensor;
import dev.apus.server.http.ApiException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** Tensors and parameters of KServe's protocol as parameters of {@code /v1/completions}, and texts as tensors. */
final class KserveTensors {
    static final String TEXT_INPUT = "text_input";
    static final String TEXT_OUTPUT = "text_output";
    static final String FINISH_REASON = "finish_reason";
    private static final String BYTES = "BYTES";
    /** Parameters that are texts; other texts are read as JSON, because the protocol knows no lists and, at first, no fractions. */
    private static final Set<String> TEXTS = Set.of("stop", "cache_salt", "request_id", "user", "truncation_side");

    private KserveTensors() {}

    /**
     * The request's parameters.
     *
     * @throws ApiException if its tensors are not those of a language model
     */
    static ObjectNode parameters(ModelInferRequest request, boolean stream) {
        ObjectNode parameters = JsonNodeFactory.instance.objectNode();
        request.getParametersMap().forEach((name, value) -> put(parameters, name, value));
        String prompt = null;
        for (int i = 0; i < request.getInputsCount(); i++) {
            InferInputTensor input = request.getInputs(i);
            if (!input.getName().equals(TEXT_INPUT)) {
                throw ApiException.invalid(
                        "inputs",
                        "an input is called '" + shorten(input.getName()) + "', only " + TEXT_INPUT
                                + " is known; send other settings as parameters");
            }
            prompt = text(request, i);
        }
        if (prompt == null) {
            throw ApiException.invalid("inputs", "the input " + TEXT_INPUT + " is missing, it is required");
        }
        if (!request.getModelName().isEmpty()) {
            parameters.put("model", request.getModelName());
        }
        return parameters.put("prompt", prompt).put("stream", stream);
    }

    private static void put(ObjectNode to, String name, InferParameter value) {
        switch (value.getParameterChoiceCase()) {
            case BOOL_PARAM -> to.put(name, value.getBoolParam());
            case INT64_PARAM -> to.put(name, value.getInt64Param());
            case UINT64_PARAM -> to.put(name, value.getUint64Param());
            case DOUBLE_PARAM -> to.put(name, value.getDoubleParam());
            case STRING_PARAM -> to.set(name, node(name, value.getStringParam()));
            case PARAMETERCHOICE_NOT_SET -> {
                // As if it were absent.
            }
        }
    }

    private static JsonNode node(String name, String text) {
        if (!TEXTS.contains(name)) {
            try {
                return JsonMapper.shared().readTree(text);
            } catch (JacksonException e) {
                // It is a text after all, and checked as one.
            }
        }
        return JsonNodeFactory.instance.stringNode(text);
    }

    private static String text(ModelInferRequest request, int index) {
        InferInputTensor input = request.getInputs(index);
        if (!input.getDatatype().equals(BYTES)) {
            throw ApiException.invalid(
                    TEXT_INPUT,
                    "'" + TEXT_INPUT + "' has the type '" + shorten(input.getDatatype()) + "', must be BYTES");
        }
        long elements = 1;
        for (long size : input.getShapeList()) {
            elements = size == 1 ? elements : -1;
        }
        boolean raw = request.getRawInputContentsCount() > 0;
        if (elements != 1 || (!raw && input.getContents().getBytesContentsCount() != 1)) {
            throw ApiException.invalid(
                    TEXT_INPUT, "'" + TEXT_INPUT + "' must have one element: send one request for each text");
        }
        ByteString bytes = raw ? element(request, index) : input.getContents().getBytesContents(0);
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(bytes.asReadOnlyByteBuffer())
                    .toString();
        } catch (CharacterCodingException e) {
            throw ApiException.invalid(TEXT_INPUT, "'" + TEXT_INPUT + "' is not UTF-8");
        }
    }

    /** The one element of a raw tensor, after its length. */
    private static ByteString element(ModelInferRequest request, int index) {
        if (request.getRawInputContentsCount() != request.getInputsCount()) {
            throw ApiException.invalid(
                    "raw_input_contents",
                    "'raw_input_contents' has " + request.getRawInputContentsCount() + " entries, there are "
                            + request.getInputsCount() + " inputs");
        }
        ByteString raw = request.getRawInputContents(index);
        long length = raw.size() < Integer.BYTES
                ? -1
                : Integer.toUnsignedLong(raw.asReadOnlyByteBuffer()
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .getInt());
        if (length != raw.size() - Integer.BYTES) {
            throw ApiException.invalid(
                    "raw_input_contents",
                    "'raw_input_contents[" + index + "]' must be the text's length in four bytes, little endian, and"
                            + " the text");
        }
        return raw.substring(Integer.BYTES);
    }

    /** Texts as a raw tensor. */
    static ByteString raw(Iterable<String> texts) {
        ByteString.Output out = ByteString.newOutput();
        for (String text : texts) {
            byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
            byte[] length = ByteBuffer.allocate(Integer.BYTES)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putInt(bytes.length)
                    .array();
            out.write(length, 0, length.length);
            out.write(bytes, 0, bytes.length);
        }
        return out.toByteString();
    }

    /** Whether an output is wanted: all are if none is named. @throws ApiException if one is named that does not exist */
    static boolean wants(ModelInferRequest request, String name) {
        boolean found = request.getOutputsCount() == 0;
        for (var output : request.getOutputsList()) {
            if (!output.getName().equals(TEXT_OUTPUT) && !output.getName().equals(FINISH_REASON)) {
                throw ApiException.invalid(
                        "outputs",
                        "an output is called '" + shorten(output.getName()) + "', there are " + TEXT_OUTPUT + " and "
                                + FINISH_REASON);
            }
            found |= output.getName().equals(name);
        }
        return found;
    }

    private static String shorten(@Nullable String text) {
        String known = String.valueOf(text);
        return known.length() <= 40 ? known : known.substring(0, 40) + "...";
    }

    static Map<String, InferParameter> counts(int prompt, int completion) {
        return Map.of(
                "prompt_tokens",
                        InferParameter.newBuilder().setInt64Param(prompt).build(),
                "completion_tokens",
                        InferParameter.newBuilder().setInt64Param(completion).build());
    }
}
