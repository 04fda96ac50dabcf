"""Runs batches on an Apus server through OpenAI's own package; exits with an assertion where an answer is wrong.

Usage: openai_batch.py URL
The server's engine repeats the prompt; BatchPythonClientTest starts it.
"""

import json
import sys
import time

import openai


def main(url):
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0, timeout=30) as client:
        completed(client)
        failed(client)
        files(client)
    print("passed")


def line(custom_id, content):
    body = {"model": "stub", "max_tokens": len(content), "messages": [{"role": "user", "content": content}]}
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}) + "\n"


def upload(client, text):
    return client.files.create(file=("requests.jsonl", text.encode()), purpose="batch")


def run(client, file):
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"k": "v"}
    )
    assert batch.object == "batch" and batch.status == "validating", batch
    while batch.status not in ("completed", "failed"):
        time.sleep(0.01)
        batch = client.batches.retrieve(batch.id)
    return batch


def completed(client):
    file = upload(client, "".join(line(f"r{i}", f"Grüße {i}") for i in range(50)))
    batch = run(client, file)
    assert batch.status == "completed" and batch.metadata == {"k": "v"}, batch
    assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (50, 50, 0)
    assert batch.error_file_id is None and batch.completed_at >= batch.created_at
    answers = [json.loads(text) for text in client.files.content(batch.output_file_id).text.splitlines()]
    told = {a["custom_id"]: a["response"]["body"]["choices"][0]["message"]["content"] for a in answers}
    assert told == {f"r{i}": f"Grüße {i}" for i in range(50)}, told
    assert [b.id for b in client.batches.list(limit=1)] == [batch.id]
    try:
        client.batches.cancel(batch.id)
        raise AssertionError("a batch that has ended was cancelled")
    except openai.ConflictError as error:
        assert "completed" in error.message


def failed(client):
    batch = run(client, upload(client, line("a", "x") + "nonsense\n"))
    assert batch.status == "failed", batch
    assert [(e.line, e.code) for e in batch.errors.data] == [(2, "invalid_json_line")], batch.errors


def files(client):
    every = [f.id for f in client.files.list(limit=1)]
    assert len(every) == 3, every
    for file_id in every:
        assert client.files.retrieve(file_id).status == "processed"
        assert client.files.delete(file_id).deleted
    assert list(client.files.list()) == []
    try:
        client.files.create(file=b"x", purpose="fine-tune")
        raise AssertionError("a file for another purpose was taken")
    except openai.BadRequestError as error:
        assert error.param == "purpose"


if __name__ == "__main__":
    main(sys.argv[1])
