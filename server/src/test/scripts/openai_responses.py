"""Uses an Apus server's Responses API through OpenAI's own package; exits with an assertion where an answer is wrong.

Usage: openai_responses.py URL
The server's engine repeats the prompt; ResponsesPythonClientTest starts it.
"""

import sys
import time

import openai


def main(url):
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0, timeout=30) as client:
        conversation(client)
        streamed(client)
        background(client)
        errors(client)
        error_in_mid_stream(client)
    print("passed")


def conversation(client):
    first = client.responses.create(
        model="stub", input="How are you?", instructions="be brief", max_output_tokens=7, metadata={"k": "v"}
    )
    assert first.output_text == "How are"
    assert first.status == "incomplete" and first.incomplete_details.reason == "max_output_tokens"
    assert (first.usage.input_tokens, first.usage.output_tokens, first.usage.total_tokens) == (12, 7, 19)
    assert first.instructions == "be brief" and first.metadata == {"k": "v"}

    second = client.responses.create(
        model="stub", input=[{"role": "user", "content": "Grüße, 你好"}], previous_response_id=first.id, max_output_tokens=9
    )
    assert second.output_text == "Grüße, 你好"
    assert second.previous_response_id == first.id

    assert client.responses.retrieve(first.id).output_text == "How are"
    items = list(client.responses.input_items.list(second.id))
    assert [item.content[0].text for item in items] == ["Grüße, 你好"]
    client.responses.delete(first.id)
    refused(openai.NotFoundError, lambda: client.responses.retrieve(first.id))


def streamed(client):
    # The package's own accumulator.
    with client.responses.stream(model="stub", input="Tell me, 你好", max_output_tokens=20) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
    assert text == "Tell me, 你好Tell me, ", text

    events = list(client.responses.create(model="stub", input="ab", max_output_tokens=2, stream=True))
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    assert events[-1].type == "response.incomplete"
    assert events[-1].response.output_text == "ab"
    assert [event.sequence_number for event in events] == list(range(len(events)))

    stopped = client.responses.create(
        model="stub",
        input="one two",
        max_output_tokens=4,
        top_logprobs=2,
        include=["message.output_text.logprobs"],
    )
    logprobs = stopped.output[0].content[0].logprobs
    assert [token.token for token in logprobs] == list("one ")
    assert len(logprobs[0].top_logprobs) == 2


def background(client):
    queued = client.responses.create(model="stub", input="abc", max_output_tokens=4, background=True)
    assert queued.status == "queued"
    end = time.monotonic() + 20
    while (response := client.responses.retrieve(queued.id)).status in ("queued", "in_progress"):
        assert time.monotonic() < end
        time.sleep(0.01)
    assert response.output_text == "abca"
    # It has ended: cancelling tells how.
    assert client.responses.cancel(queued.id).output_text == "abca"

    with client.responses.create(
        model="stub", input="abc", max_output_tokens=4, background=True, stream=True
    ) as stream:
        events = list(stream)
    again = list(client.responses.retrieve(events[0].response.id, stream=True, starting_after=2))
    assert [event.type for event in again] == [event.type for event in events[3:]]


def refused(kind, call):
    try:
        call()
    except kind as e:
        return e
    raise AssertionError(f"{kind.__name__} was not raised")


def errors(client):
    wrong = refused(
        openai.BadRequestError, lambda: client.responses.create(model="stub", input="a", max_output_tokens=0)
    )
    assert (wrong.param, wrong.code) == ("max_output_tokens", "invalid_value")
    tools = refused(
        openai.BadRequestError,
        lambda: client.responses.create(model="stub", input="a", tools=[{"type": "web_search"}]),
    )
    assert tools.param == "tools"
    refused(openai.NotFoundError, lambda: client.responses.create(model="other", input="a"))


def error_in_mid_stream(client):
    text = ""
    last = None
    for event in client.responses.create(model="stub", input="BREAK", stream=True):
        last = event
        if event.type == "response.output_text.delta":
            text += event.delta
            if text == "BR":
                client.responses.create(model="stub", input="GO", max_output_tokens=1)
    assert text == "BR"
    assert last.type == "response.failed"
    assert "the device is lost" in last.response.error.message


if __name__ == "__main__":
    main(*sys.argv[1:])
