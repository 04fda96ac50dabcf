package dev.apus.server.grpc;

import com.google.protobuf.ByteString;
import dev.apus.proto.kserve.InferParameter;
import dev.apus.proto.kserve.InferTensorContents;
import dev.apus.proto.kserve.ModelInferRequest;
import dev.apus.proto.kserve.ModelInferResponse;
import dev.apus.proto.kserve.ModelInferResponse.InferOutputTensor;
import dev.apus.server.http.CallOutput.Usage;
import dev.apus.server.http.Part;
import java.util.List;

/** Answers of KServe's protocol: a tensor with the texts of all choices, or of the choice that a part of a stream tells of. */
final class KserveShape implements Answer.Shape<ModelInferResponse> {
    private static final String FINAL = "triton_final_response";

    private final ModelInferResponse.Builder head;
    private final boolean text;
    private final boolean finish;
    private final boolean raw;

    /** @throws dev.apus.server.http.ApiException if the request names an output that does not exist */
    KserveShape(ModelInferRequest request, String model) {
        head = ModelInferResponse.newBuilder()
                .setModelName(model)
                .setModelVersion("1")
                .setId(request.getId());
        text = KserveTensors.wants(request, KserveTensors.TEXT_OUTPUT);
        finish = KserveTensors.wants(request, KserveTensors.FINISH_REASON);
        raw = request.getRawInputContentsCount() > 0;
    }

    @Override
    public void begin(String answerId) {
        // The request's own id is the answer's.
    }

    @Override
    public List<ModelInferResponse> part(Part part) {
        return List.of(response(List.of(part))
                .putParameters(
                        "index",
                        InferParameter.newBuilder().setInt64Param(part.index()).build())
                .build());
    }

    /** The last message of a stream has no outputs. */
    @Override
    public ModelInferResponse end(Usage usage) {
        return head.clone()
                .putAllParameters(KserveTensors.counts(usage.promptTokens(), usage.completionTokens()))
                .putParameters(
                        FINAL, InferParameter.newBuilder().setBoolParam(true).build())
                .build();
    }

    @Override
    public List<ModelInferResponse> whole(List<Part> parts, Usage usage) {
        return List.of(response(parts)
                .putAllParameters(KserveTensors.counts(usage.promptTokens(), usage.completionTokens()))
                .build());
    }

    private ModelInferResponse.Builder response(List<Part> parts) {
        ModelInferResponse.Builder response = head.clone();
        if (text) {
            List<String> texts =
                    parts.stream().map(part -> part.text().toString()).toList();
            add(response, KserveTensors.TEXT_OUTPUT, texts);
        }
        if (finish) {
            List<String> reasons = parts.stream()
                    .map(part -> {
                        String reason = part.finishReason();
                        return reason == null ? "" : reason;
                    })
                    .toList();
            add(response, KserveTensors.FINISH_REASON, reasons);
        }
        return response;
    }

    private void add(ModelInferResponse.Builder response, String name, List<String> values) {
        InferOutputTensor.Builder output = InferOutputTensor.newBuilder()
                .setName(name)
                .setDatatype("BYTES")
                .addShape(values.size());
        if (raw) {
            response.addRawOutputContents(KserveTensors.raw(values));
        } else {
            InferTensorContents.Builder contents = InferTensorContents.newBuilder();
            values.forEach(value -> contents.addBytesContents(ByteString.copyFromUtf8(value)));
            output.setContents(contents);
        }
        response.addOutputs(output);
    }
}
