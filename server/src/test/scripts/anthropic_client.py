"""Holds conversations with an Apus server through Anthropic's own package; exits with an assertion where an answer is wrong.

Usage: anthropic_client.py URL URL_OF_A_SERVER_WHOSE_QUEUE_IS_FULL
The servers' engine repeats the prompt; AnthropicPythonClientTest starts them.
"""

import sys

import anthropic


def main(url, full_url):
    with anthropic.Anthropic(base_url=url, api_key="none", max_retries=0, timeout=30) as client:
        models(client)
        conversation(client)
        streamed_conversation(client)
        counts(client)
        errors(client)
        error_in_mid_stream(client)
    with anthropic.Anthropic(base_url=full_url, api_key="none", max_retries=0, timeout=30) as client:
        full_queue(client)
    print("passed")


def user(text):
    return {"role": "user", "content": text}


def models(client):
    assert [model.id for model in client.models.list()] == ["stub"]
    assert client.models.retrieve("stub").display_name == "stub"


def conversation(client):
    messages = [user("How are you?")]
    first = client.messages.create(model="stub", messages=messages, max_tokens=7)
    assert (first.type, first.role, first.model) == ("message", "assistant", "stub")
    assert [block.text for block in first.content] == ["How are"]
    assert first.stop_reason == "max_tokens"
    assert (first.usage.input_tokens, first.usage.output_tokens) == (12, 7)

    messages += [{"role": "assistant", "content": first.content}, user([{"type": "text", "text": "Grüße, 你好"}])]
    second = client.messages.create(
        model="stub",
        messages=messages,
        system="be brief",
        max_tokens=99,
        stop_sequences=["never", ", "],
        metadata={"user_id": "somebody"},
    )
    assert second.content[0].text == "Grüße"
    assert (second.stop_reason, second.stop_sequence) == ("stop_sequence", ", ")
    assert second.id != first.id


def streamed_conversation(client):
    with client.messages.stream(model="stub", messages=[user("Tell me, 你好")], max_tokens=20) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == "Tell me, 你好Tell me, ", text
    assert final.content[0].text == text
    assert final.stop_reason == "max_tokens"
    assert final.usage.output_tokens == 20

    types = [
        event.type for event in client.messages.create(model="stub", messages=[user("a")], max_tokens=2, stream=True)
    ]
    assert types[:2] == ["message_start", "content_block_start"], types
    assert types[-3:] == ["content_block_stop", "message_delta", "message_stop"], types


def counts(client):
    assert client.messages.count_tokens(model="stub", messages=[user("How are you?")]).input_tokens == 12


def refused(kind, call):
    try:
        call()
    except kind as e:
        return e
    raise AssertionError(f"{kind.__name__} was not raised")


def errors(client):
    wrong = refused(
        anthropic.BadRequestError,
        lambda: client.messages.create(model="stub", messages=[user("a")], max_tokens=0),
    )
    assert wrong.body["error"]["type"] == "invalid_request_error"
    assert "max_tokens" in wrong.body["error"]["message"]
    assert wrong.request_id
    refused(
        anthropic.NotFoundError, lambda: client.messages.create(model="other", messages=[user("a")], max_tokens=1)
    )


def error_in_mid_stream(client):
    text = ""

    def read():
        nonlocal text
        with client.messages.stream(model="stub", messages=[user("BREAK")], max_tokens=9) as stream:
            for piece in stream.text_stream:
                text += piece
                if text == "BR":
                    client.messages.create(model="stub", messages=[user("GO")], max_tokens=1)

    broken = refused(anthropic.APIStatusError, read)
    assert text == "BR"
    assert "the device is lost" in str(broken)


def full_queue(client):
    busy = refused(
        anthropic.RateLimitError, lambda: client.messages.create(model="stub", messages=[user("a")], max_tokens=1)
    )
    assert busy.body["error"]["type"] == "rate_limit_error"
    assert busy.response.headers["retry-after"] == "3"


if __name__ == "__main__":
    main(*sys.argv[1:])
