// The chat: a conversation with the model, kept in the browser.

import { ApiError, ask, events } from "./api.js";
import { byId, el } from "./dom.js";
import { copyText, show } from "./markdown.js";

const KEPT = "apus.chat";
const SETTINGS = ["system", "temperature", "top_p", "max_tokens", "seed"];

// { messages: [{ role, content, reasoning, stats, error }], settings, model }
let state = { messages: [], settings: {}, model: "" };
// What is being answered: { controller }.
let running = null;

function restore() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT) ?? "null");
    if (Array.isArray(kept?.messages)) {
      state = { settings: {}, model: "", ...kept };
    }
  } catch {
    // Of another version, or storage is off: an empty conversation.
  }
}

function keep() {
  try {
    localStorage.setItem(KEPT, JSON.stringify(state));
  } catch {
    // Full, or off: the conversation lives as long as the page.
  }
}

async function loadModels() {
  const select = byId("model");
  try {
    const { data } = await (await ask("v1/models")).json();
    select.replaceChildren(...data.map((model) => el("option", { value: model.id }, model.id)));
    select.value = data.some((model) => model.id === state.model) ? state.model : (data[0]?.id ?? "");
  } catch (error) {
    select.replaceChildren(el("option", { value: "" }, error instanceof ApiError ? error.describe() : String(error)));
  }
}

// What is asked for: only parameters that were set, the server's defaults else.
function body(messages) {
  const { system, temperature, top_p, max_tokens, seed } = state.settings;
  const number = (text) => (text === undefined || text === "" ? undefined : Number(text));
  const sent = messages.filter((m) => m.content !== "").map(({ role, content }) => ({ role, content }));
  return {
    model: byId("model").value || undefined,
    messages: system ? [{ role: "system", content: system }, ...sent] : sent,
    temperature: number(temperature),
    top_p: number(top_p),
    max_tokens: number(max_tokens),
    seed: number(seed),
    stream: true,
    stream_options: { include_usage: true },
  };
}

// Answers the conversation as it stands.
async function answer() {
  const asked = body(state.messages);
  const message = { role: "assistant", content: "", reasoning: "" };
  state.messages.push(message);
  const view = append(message);
  running = { controller: new AbortController() };
  view.element.setAttribute("aria-busy", "true");
  buttons();
  const clock = { sent: performance.now(), first: 0, last: 0, tokens: 0 };
  let finish = "stopped";
  try {
    const options = { method: "POST", body: asked, signal: running.controller.signal };
    const response = await ask("v1/chat/completions", options);
    for await (const event of events(response)) {
      finish = take(event, message, clock) ?? finish;
      view.update();
    }
  } catch (error) {
    if (error.name !== "AbortError") {
      message.error = error instanceof ApiError ? error.describe() : String(error);
    }
  }
  message.stats = stats(clock, message.error ? "" : finish);
  running = null;
  view.element.removeAttribute("aria-busy");
  keep();
  showAll();
  byId("input").focus({ preventScroll: true });
}

function take(event, message, clock) {
  const choice = event.choices?.[0];
  const delta = choice?.delta ?? {};
  const thought = delta.reasoning ?? delta.reasoning_content ?? "";
  if (delta.content || thought) {
    clock.last = performance.now();
    clock.first ||= clock.last;
    clock.tokens++;
  }
  message.content += delta.content ?? "";
  message.reasoning += thought;
  if (event.usage) {
    clock.tokens = event.usage.completion_tokens;
  }
  return choice?.finish_reason;
}

function stats({ sent, first, last, tokens }, finish) {
  const parts = [];
  if (first) {
    const ttft = first - sent;
    parts.push(`${ttft < 1000 ? `${Math.round(ttft)} ms` : `${(ttft / 1000).toFixed(1)} s`} to the first token`);
    if (last > first && tokens > 1) {
      parts.push(`${((tokens - 1) / ((last - first) / 1000)).toFixed(1)} tokens/s`);
    }
    parts.push(`${tokens} tokens`);
  }
  if (finish && finish !== "stop") {
    parts.push(finish === "length" ? "cut off at max_tokens" : finish);
  }
  return parts.join(" · ");
}

function send(text) {
  if (running || text.trim() === "") {
    return;
  }
  state.messages.push({ role: "user", content: text });
  keep();
  showAll();
  answer();
}

// Asks again what led to the answer at this place.
function regenerate(at) {
  state.messages.length = at;
  showAll();
  answer();
}

function edit(at) {
  const message = state.messages[at];
  const input = el("textarea", { value: message.content, rows: 3, "aria-label": "Edited message" });
  const save = el("button", { type: "button", className: "primary" }, "Send");
  const cancel = el("button", { type: "button" }, "Cancel");
  const done = () => {
    if (input.value.trim() !== "" && !running) {
      state.messages.length = at;
      send(input.value);
    }
  };
  const leave = () => {
    showAll();
    byId("log").children[at]?.querySelector("button")?.focus();
  };
  save.onclick = done;
  cancel.onclick = leave;
  input.onkeydown = (event) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      leave();
    } else if (isSend(event)) {
      event.preventDefault();
      done();
    }
  };
  const buttonsBelow = el("div", { className: "actions" }, save, cancel);
  byId("log").children[at].replaceChildren(el("h2", {}, "You"), input, buttonsBelow);
  input.focus();
}

const isSend = (event) => event.key === "Enter" && !event.shiftKey && !event.isComposing;

// Adds a message to what is shown; update() shows what it has become since, at most once a frame.
function append(message) {
  const at = state.messages.indexOf(message);
  const mine = message.role === "user";
  const element = el("article", { className: message.role }, el("h2", {}, mine ? "You" : "Answer"));
  const thought = el("div", { className: "text" });
  const thoughts = el("details", { className: "thoughts", hidden: true }, el("summary", {}, "Thoughts"), thought);
  const text = el("div", { className: mine ? "text plain" : "text" });
  const waiting = el("p", { className: "pending" }, "Waiting for the first token");
  element.append(thoughts, text, waiting);
  const draw = () => {
    const atEnd = isAtEnd();
    thoughts.hidden = message.reasoning ? false : true;
    if (message.reasoning) {
      show(thought, message.reasoning);
    }
    if (mine) {
      text.textContent = message.content;
    } else {
      show(text, message.content);
    }
    waiting.hidden = mine || message.stats !== undefined || message.content + message.reasoning !== "";
    if (atEnd) {
      toEnd();
    }
  };
  let drawing = 0;
  const update = () => {
    drawing ||= requestAnimationFrame(() => {
      drawing = 0;
      draw();
    });
  };
  if (message.error) {
    element.append(el("p", { className: "error", role: "alert" }, message.error));
  }
  if (message.stats) {
    element.append(el("p", { className: "stats" }, message.stats));
  }
  if (!running) {
    element.append(actions(message, at));
  }
  byId("log").append(element);
  draw();
  return { element, update };
}

function actions(message, at) {
  const copy = el("button", { type: "button", className: "small" }, "Copy");
  copy.onclick = () => copyText(message.content, copy);
  const row = el("div", { className: "actions" }, copy);
  if (message.role === "user") {
    row.append(el("button", { type: "button", className: "small", onclick: () => edit(at) }, "Edit"));
  } else if (at === state.messages.length - 1) {
    row.append(el("button", { type: "button", className: "small", onclick: () => regenerate(at) }, "Regenerate"));
  }
  return row;
}

function showAll() {
  byId("log").replaceChildren();
  if (state.messages.length === 0) {
    byId("log").append(el("p", { className: "empty" }, "Ask the model something."));
  }
  state.messages.forEach((message) => append(message));
  buttons();
  toEnd();
}

function buttons() {
  byId("send").hidden = running !== null;
  byId("stop").hidden = running === null;
  byId("new").disabled = running !== null || state.messages.length === 0;
}

const isAtEnd = () => byId("log").scrollHeight - byId("log").scrollTop - byId("log").clientHeight < 60;
const toEnd = () => (byId("log").scrollTop = byId("log").scrollHeight);

function stop() {
  running?.controller.abort();
}

// As high as its text, to a limit that the style sets.
function grow(input) {
  input.style.height = "auto";
  input.style.height = `${input.scrollHeight + 2}px`;
}

function startComposer() {
  const input = byId("input");
  byId("composer").onsubmit = (event) => {
    event.preventDefault();
    const text = input.value;
    if (!running && text.trim() !== "") {
      input.value = "";
      grow(input);
      send(text);
    }
  };
  input.oninput = () => grow(input);
  input.onkeydown = (event) => {
    if (isSend(event)) {
      event.preventDefault();
      byId("composer").requestSubmit();
    }
  };
  byId("stop").onclick = stop;
  byId("chat").onkeydown = (event) => {
    if (event.key === "Escape") {
      stop();
    }
  };
  byId("new").onclick = () => {
    state.messages = [];
    keep();
    showAll();
    input.focus();
  };
}

function startSettings() {
  for (const name of SETTINGS) {
    byId(name).value = state.settings[name] ?? "";
    byId(name).onchange = () => {
      state.settings[name] = byId(name).value;
      keep();
    };
  }
  byId("model").onchange = () => {
    state.model = byId("model").value;
    keep();
  };
  // Beside the conversation where there is room, else out of its way.
  byId("settings").open = matchMedia("(min-width: 60rem)").matches;
}

export function startChat() {
  restore();
  startSettings();
  startComposer();
  showAll();
  loadModels();
  document.addEventListener("key-changed", loadModels);
  return {
    shown(visible) {
      if (visible) {
        toEnd();
        byId("input").focus({ preventScroll: true });
      }
    },
  };
}
