"""Calls an Apus server by gRPC from Python, with code made of the project's .proto files; exits with an assertion where an answer is wrong.

Usage: grpc_client.py HOST:PORT FOLDER_OF_PROTOS
The server's engine repeats the prompt; GrpcPythonClientTest starts it.
"""

import pathlib
import sys
import tempfile

import grpc
import grpc_tools
from grpc_tools import protoc


def generate(protos, folder):
    """Python code of all protocols."""
    files = [str(path.relative_to(protos)) for path in sorted(pathlib.Path(protos).rglob("*.proto"))]
    known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    assert protoc.main(
        ["protoc", f"-I{protos}", f"-I{known}", f"--python_out={folder}", f"--grpc_python_out={folder}", *files]
    ) == 0
    sys.path.insert(0, folder)


def main(target, protos):
    with tempfile.TemporaryDirectory() as folder:
        generate(protos, folder)
        with grpc.insecure_channel(target) as channel:
            apus(channel)
            vllm(channel)
            kserve(channel)
    print("passed")


def apus(channel):
    from apus.v1 import apus_pb2 as pb
    from apus.v1 import apus_pb2_grpc

    stub = apus_pb2_grpc.InferenceStub(channel)
    chat = pb.ChatRequest(
        messages=[pb.Message(role="user", content="hello")], sampling=pb.Sampling(max_tokens=7, logprobs=1)
    )
    whole, call = stub.Chat.with_call(chat, metadata=[("x-request-id", "python-1")], timeout=30)
    assert whole.choices[0].text == "hellohe"
    assert whole.choices[0].finish_reason == "length"
    assert len(whole.choices[0].logprobs) == 7
    assert whole.usage.prompt_tokens == 5
    assert ("x-request-id", "python-1") in [(key, value) for key, value in call.initial_metadata()]
    parts = list(stub.ChatStream(chat, timeout=30))
    assert "".join(choice.text for part in parts for choice in part.choices) == "hellohe"
    assert parts[-1].usage == whole.usage
    text = pb.GenerateRequest(text="a" * 2000, sampling=pb.Sampling(max_tokens=2000))
    assert stub.Generate(text, compression=grpc.Compression.Gzip, timeout=30).choices[0].text == "a" * 2000
    try:
        stub.Chat(pb.ChatRequest(), timeout=30)
        raise AssertionError("a chat without messages was answered")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert "messages" in error.details()
    endless = stub.GenerateStream(pb.GenerateRequest(text="WAIT", sampling=pb.Sampling(max_tokens=4000)), timeout=30)
    next(endless)
    endless.cancel()
    assert stub.Tokenize(pb.TokenizeRequest(text="hé"), timeout=30).token_ids == [ord("h"), ord("é")]


def vllm(channel):
    import vllm_engine_pb2 as pb
    import vllm_engine_pb2_grpc

    stub = vllm_engine_pb2_grpc.VllmEngineStub(channel)
    assert stub.HealthCheck(pb.HealthCheckRequest(), timeout=30).healthy
    request = pb.GenerateRequest(
        request_id="1",
        tokenized=pb.TokenizedInput(input_ids=[97, 98, 99]),
        sampling_params=pb.SamplingParams(max_tokens=5),
        stream=True,
    )
    answers = list(stub.Generate(request, timeout=30))
    assert [token for answer in answers for token in answer.chunk.token_ids] == [97, 98, 99, 97, 98]
    assert answers[-1].complete.finish_reason == "length"


def kserve(channel):
    import open_inference_grpc_pb2 as pb
    import open_inference_grpc_pb2_grpc

    stub = open_inference_grpc_pb2_grpc.GRPCInferenceServiceStub(channel)
    request = pb.ModelInferRequest(model_name="stub", id="7")
    request.parameters["max_tokens"].int64_param = 4
    tensor = request.inputs.add(name="text_input", datatype="BYTES", shape=[1])
    tensor.contents.bytes_contents.append(b"abc")
    answer = stub.ModelInfer(request, timeout=30)
    assert answer.outputs[0].contents.bytes_contents[0] == b"abca"
    assert [each.infer_response.id for each in stub.ModelStreamInfer(iter([request]), timeout=30)][-1] == "7"


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
