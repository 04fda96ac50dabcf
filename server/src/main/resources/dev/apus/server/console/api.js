// Asks the server. Addresses are relative to the page's, so that a proxy may put it below any path.

const KEY = "apus.key";

// The key is kept for the tab only: localStorage would leave it on the disk.
export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set(value) {
    if (value) {
      sessionStorage.setItem(KEY, value);
    } else {
      sessionStorage.removeItem(KEY);
    }
    document.dispatchEvent(new Event("key-changed"));
  },
};

export class ApiError extends Error {
  constructor(status, code, message, requestId) {
    super(message);
    this.status = status;
    this.code = code;
    this.requestId = requestId;
  }

  // What a person should read, and tell who runs the server.
  describe() {
    const what = [this.status || "", this.code ?? ""].filter(Boolean).join(" ");
    return `${what ? what + ": " : ""}${this.message}${this.requestId ? ` (request ${this.requestId})` : ""}`;
  }
}

async function failure(response) {
  let error = {};
  try {
    error = (await response.json()).error ?? {};
  } catch {
    // A proxy's page, say: the status has to do.
  }
  const id = response.headers.get("x-request-id");
  return new ApiError(response.status, error.code ?? error.type, error.message ?? response.statusText, id);
}

// Throws an ApiError unless the answer is good, and an AbortError if the signal ends it.
export async function ask(path, { method = "GET", body, signal } = {}) {
  const headers = {};
  if (key.get()) {
    headers.authorization = `Bearer ${key.get()}`;
  }
  if (body !== undefined) {
    headers["content-type"] = "application/json";
  }
  let response;
  try {
    response = await fetch(path, { method, headers, body: body && JSON.stringify(body), signal, cache: "no-store" });
  } catch (error) {
    throw error.name === "AbortError" ? error : new ApiError(0, "unreachable", "the server does not answer", null);
  }
  if (!response.ok) {
    const error = await failure(response);
    if (error.status === 401) {
      document.dispatchEvent(new CustomEvent("key-needed", { detail: error.message }));
    }
    throw error;
  }
  return response;
}

// The data of a stream's events; ends at [DONE]. An error in the stream is thrown.
export async function* events(response) {
  const id = response.headers.get("x-request-id");
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) {
        throw new ApiError(0, "stream_ended", "the stream ended before the answer did", id);
      }
      text += value;
      let end;
      while ((end = text.indexOf("\n\n")) >= 0) {
        const data = dataOf(text.slice(0, end));
        text = text.slice(end + 2);
        if (data === "[DONE]") {
          return;
        }
        if (data !== "") {
          const event = JSON.parse(data);
          if (event.error) {
            throw new ApiError(0, event.error.code ?? event.error.type, event.error.message, id);
          }
          yield event;
        }
      }
    }
  } catch (error) {
    // What a browser says of a connection that broke differs from one to the next.
    throw error instanceof TypeError ? new ApiError(0, "unreachable", "the connection broke", id) : error;
  } finally {
    reader.cancel().catch(() => {});
  }
}

function dataOf(event) {
  return event
    .split("\n")
    .filter((line) => line.startsWith("data:"))
    .map((line) => line.slice(5).trimStart())
    .join("\n");
}
