// The requests in flight, from /debug/requests, and an order to end one.

import { ApiError, ask } from "./api.js";
import { byId, el } from "./dom.js";

const EVERY_MS = 1000;
// How long an order waits to be confirmed.
const SURE_MS = 4000;

const duration = (seconds) =>
  seconds < 60 ? `${seconds.toFixed(1)} s` : `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;

// A row is made once and kept as long as its request, so that the focus stays where it is.
function makeRow(id) {
  const cells = {};
  const row = el("tr");
  const cell = (name, label, className = "") => {
    cells[name] = el("td", { className, "data-label": label });
    row.append(cells[name]);
  };
  const head = el("th", { scope: "row" });
  cells.request = head;
  row.append(head);
  cell("tenant", "Tenant");
  cell("state", "State");
  cell("age", "Age", "number");
  cell("prompt", "Prompt", "number");
  cell("generated", "Generated", "number");
  cell("rate", "Tokens/s", "number");
  row.append(el("td", {}, abortButton(id)));
  const path = el("span", { className: "path" });
  head.append(el("code", {}, id), path);
  return {
    row,
    update(request) {
      path.textContent = request.path + (request.sequences > 1 ? ` × ${request.sequences}` : "");
      cells.tenant.textContent = request.tenant;
      cells.state.replaceChildren(el("span", { className: `state ${request.state}` }, request.state));
      cells.age.textContent = duration(request.age_seconds);
      cells.prompt.textContent = request.prompt_tokens;
      cells.generated.textContent = `${request.generated_tokens} / ${request.max_tokens}`;
      cells.rate.textContent = request.tokens_per_second > 0 ? request.tokens_per_second.toFixed(1) : "–";
    },
  };
}

// Ends somebody's request: it asks once more.
function abortButton(id) {
  const button = el("button", { type: "button", className: "small", "aria-label": `Abort ${id}` }, "Abort");
  let sure = 0;
  const reset = () => {
    sure = 0;
    button.textContent = "Abort";
  };
  button.onclick = async () => {
    if (!sure) {
      button.textContent = "Sure?";
      sure = setTimeout(reset, SURE_MS);
      return;
    }
    clearTimeout(sure);
    reset();
    try {
      await ask("abort_requests", { method: "POST", body: { request_ids: [id] } });
    } catch (error) {
      byId("requests-status").textContent = error instanceof ApiError ? error.describe() : String(error);
    }
  };
  return button;
}

export function startRequests() {
  let rows = new Map();
  let timer = 0;
  let visible = false;
  let refused = false;

  function show({ total, data }) {
    const kept = new Map();
    for (const request of data) {
      // Clients may choose ids, and two the same.
      let name = request.request_id;
      while (kept.has(name)) {
        name += "'";
      }
      const row = rows.get(name) ?? makeRow(request.request_id);
      row.update(request);
      kept.set(name, row);
    }
    rows.forEach(({ row }, name) => kept.get(name)?.row === row || row.remove());
    [...kept.values()].forEach(({ row }, i) => {
      if (byId("rows").children[i] !== row) {
        byId("rows").insertBefore(row, byId("rows").children[i] ?? null);
      }
    });
    rows = kept;
    const more = total > data.length ? `, the oldest ${data.length} of which are shown` : "";
    byId("requests-status").textContent = total === 0 ? "No requests." : `${total} in flight${more}`;
  }

  async function poll() {
    try {
      show(await (await ask("debug/requests")).json());
    } catch (error) {
      byId("requests-status").textContent = error instanceof ApiError ? error.describe() : String(error);
      refused = error.status === 401 || error.status === 403;
    }
    plan();
  }

  function plan() {
    clearTimeout(timer);
    if (visible && !refused) {
      timer = setTimeout(() => (document.hidden ? plan() : poll()), EVERY_MS);
    }
  }

  function begin() {
    refused = false;
    clearTimeout(timer);
    poll();
  }

  document.addEventListener("key-changed", () => visible && begin());
  return {
    shown(now) {
      visible = now;
      if (visible) {
        begin();
      } else {
        clearTimeout(timer);
      }
    },
  };
}
