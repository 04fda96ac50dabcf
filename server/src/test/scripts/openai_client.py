"""Holds conversations with an Apus server through OpenAI's own package; exits with an assertion where an answer is wrong.

Usage: openai_client.py URL URL_OF_A_SERVER_WHOSE_QUEUE_IS_FULL
The servers' engine repeats the prompt; OpenAiPythonClientTest starts them.
"""

import sys

import openai


def main(url, full_url):
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0, timeout=30) as client:
        models(client)
        conversation(client)
        streamed_conversation(client)
        choices_logprobs_stops(client)
        completions(client)
        extra_parameters(client)
        errors(client)
        error_in_mid_stream(client)
    with openai.OpenAI(base_url=full_url, api_key="none", max_retries=0, timeout=30) as client:
        full_queue(client)
    print("passed")


def user(text):
    return {"role": "user", "content": text}


def models(client):
    assert [model.id for model in client.models.list()] == ["stub"]
    assert client.models.retrieve("stub").id == "stub"


def conversation(client):
    messages = [user("How are you?")]
    first = client.chat.completions.create(model="stub", messages=messages, max_completion_tokens=7)
    assert first.object == "chat.completion"
    assert first.choices[0].message.role == "assistant"
    assert first.choices[0].message.content == "How are"
    assert first.choices[0].finish_reason == "length"
    assert (first.usage.prompt_tokens, first.usage.completion_tokens, first.usage.total_tokens) == (12, 7, 19)

    messages += [first.choices[0].message, user("Grüße, 你好")]
    second = client.chat.completions.create(model="stub", messages=messages, max_tokens=9)
    assert second.choices[0].message.content == "Grüße, 你好"
    assert second.id != first.id


def streamed_conversation(client):
    messages = [user("Tell me, 你好")]
    with client.chat.completions.create(
        model="stub", messages=messages, max_tokens=20, stream=True, stream_options={"include_usage": True}
    ) as stream:
        chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == "Tell me, 你好Tell me, ", text
    assert chunks[-2].choices[0].finish_reason == "length"
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == 20
    assert len({chunk.id for chunk in chunks}) == 1

    # The package's own accumulator, which takes an answer for whole only if it ended by a stop.
    messages += [{"role": "assistant", "content": text}, user("and more, ")]
    with client.chat.completions.stream(model="stub", messages=messages, stop=", ") as stream:
        pieces = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    assert "".join(pieces) == "and more"
    assert final.choices[0].message.content == "and more"
    assert final.choices[0].finish_reason == "stop"


def choices_logprobs_stops(client):
    answer = client.chat.completions.create(
        model="stub", messages=[user("one two three")], n=2, stop=[" three", "never"], logprobs=True, top_logprobs=2
    )
    assert [choice.index for choice in answer.choices] == [0, 1]
    for choice in answer.choices:
        assert choice.message.content == "one two"
        assert choice.finish_reason == "stop"
        tokens = choice.logprobs.content
        assert [token.token for token in tokens] == list("one two three")
        assert (tokens[0].bytes, tokens[0].logprob, len(tokens[0].top_logprobs)) == ([ord("o")], -0.5, 2)

    texts = ["", ""]
    reasons = [None, None]
    for chunk in client.chat.completions.create(
        model="stub", messages=[user("one two three")], n=2, stop=" three", stream=True
    ):
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            reasons[choice.index] = choice.finish_reason or reasons[choice.index]
    assert texts == ["one two", "one two"], texts
    assert reasons == ["stop", "stop"]


def completions(client):
    whole = client.completions.create(model="stub", prompt=["abc", [100, 101]], max_tokens=4, logprobs=2, echo=True)
    assert [choice.text for choice in whole.choices] == ["abcabca", "dedede"]
    assert whole.choices[0].logprobs.tokens == list("abcabca")
    assert whole.choices[0].logprobs.token_logprobs == [None] + [-0.5] * 6
    assert whole.choices[0].logprobs.text_offset == list(range(7))
    assert whole.usage.prompt_tokens == 5

    stream = client.completions.create(model="stub", prompt="abc", max_tokens=4, stream=True)
    assert "".join(chunk.choices[0].text for chunk in stream) == "abca"


def extra_parameters(client):
    raw = client.chat.completions.with_raw_response.create(
        model="stub",
        messages=[user("ab")],
        max_tokens=2,
        store=True,
        extra_body={"top_k": 5, "return_token_ids": True, "prompt_logprobs": 1, "odd": 1},
    )
    assert "odd" in raw.headers["warning"] and "store" in raw.headers["warning"]
    answer = raw.parse()
    assert answer.choices[0].token_ids == [97, 98]
    assert answer.prompt_logprobs[0] is None and answer.prompt_logprobs[1]["98"]["logprob"] == -0.5


def refused(kind, call):
    try:
        call()
    except kind as e:
        return e
    raise AssertionError(f"{kind.__name__} was not raised")


def errors(client):
    wrong = refused(
        openai.BadRequestError,
        lambda: client.chat.completions.create(model="stub", messages=[user("a")], temperature=-1),
    )
    assert (wrong.status_code, wrong.param, wrong.code) == (400, "temperature", "invalid_value")
    assert wrong.type == "invalid_request_error"
    absent = refused(
        openai.NotFoundError, lambda: client.chat.completions.create(model="other", messages=[user("a")])
    )
    assert absent.code == "model_not_found"
    refused(openai.NotFoundError, lambda: client.models.retrieve("other"))


def error_in_mid_stream(client):
    text = ""

    def read():
        nonlocal text
        for chunk in client.chat.completions.create(model="stub", messages=[user("BREAK")], stream=True):
            text += chunk.choices[0].delta.content or ""
            if text == "BR":
                client.completions.create(model="stub", prompt="GO")

    broken = refused(openai.APIError, read)
    assert text == "BR"
    assert broken.code == "engine_error" and "the device is lost" in str(broken)


def full_queue(client):
    busy = refused(
        openai.RateLimitError, lambda: client.chat.completions.create(model="stub", messages=[user("a")])
    )
    assert busy.code == "queue_full"
    assert busy.response.headers["retry-after"] == "3"


if __name__ == "__main__":
    main(*sys.argv[1:])
