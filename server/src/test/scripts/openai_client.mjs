// Holds conversations with an Apus server through OpenAI's own package for JavaScript; exits with an assertion where an answer is wrong.
//
// Usage: openai_client.mjs URL FOLDER_OF_THE_PACKAGE
// The server's engine repeats the prompt; OpenAiNodeClientTest starts it.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import path from "node:path";

const [url, folder] = process.argv.slice(2);
const require = createRequire(path.join(path.resolve(folder), "package.json"));
const { OpenAI, APIError, BadRequestError, NotFoundError } = require("openai");

const client = new OpenAI({ baseURL: url, apiKey: "none", maxRetries: 0, timeout: 30_000 });
const user = (content) => ({ role: "user", content });

async function models() {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert.deepEqual(ids, ["stub"]);
  assert.equal((await client.models.retrieve("stub")).id, "stub");
}

async function conversation() {
  const answer = await client.chat.completions.create({
    model: "stub", messages: [user("Grüße, 你好")], max_completion_tokens: 9, seed: 1, top_k: 5, store: true,
  });
  assert.equal(answer.choices[0].message.content, "Grüße, 你好");
  assert.equal(answer.choices[0].finish_reason, "length");
  assert.equal(answer.usage.total_tokens, 18);
}

async function thoughts() {
  const thought = "<think>let me see</think>it is so";
  const answer = await client.chat.completions.create({ model: "stub", messages: [user(thought)], max_tokens: thought.length });
  assert.equal(answer.choices[0].message.content, "it is so");
  assert.equal(answer.choices[0].message.reasoning_content, "let me see");
  assert.ok(answer.usage.completion_tokens_details.reasoning_tokens > 0);

  let text = "";
  let reasoning = "";
  let usage;
  const stream = await client.chat.completions.create({
    model: "stub", messages: [user(thought)], max_tokens: thought.length, stream: true, stream_options: { include_usage: true },
  });
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? "";
    reasoning += chunk.choices[0]?.delta.reasoning ?? "";
    usage = chunk.usage ?? usage;
  }
  assert.deepEqual([text, reasoning, usage.completion_tokens], ["it is so", "let me see", thought.length]);
}

async function completions() {
  const whole = await client.completions.create({ model: "stub", prompt: ["abc", "de"], max_tokens: 4, logprobs: 1, echo: true });
  assert.deepEqual(whole.choices.map((choice) => choice.text), ["abcabca", "dedede"]);
  let text = "";
  for await (const chunk of await client.completions.create({ model: "stub", prompt: "abc", max_tokens: 4, stream: true })) {
    text += chunk.choices[0].text;
  }
  assert.equal(text, "abca");
}

async function errors() {
  await assert.rejects(
    client.chat.completions.create({ model: "stub", messages: [user("a")], temperature: -1 }),
    (e) => e instanceof BadRequestError && e instanceof APIError && e.param === "temperature" && e.code === "invalid_value",
  );
  await assert.rejects(client.models.retrieve("other"), (e) => e instanceof NotFoundError && e.code === "model_not_found");
}

await models();
await conversation();
await thoughts();
await completions();
await errors();
console.log("passed");
