// Starts the views and shows one of them, as the address says behind its #.

import { key } from "./api.js";
import { startChat } from "./chat.js";
import { byId } from "./dom.js";
import { startLive } from "./live.js";
import { startRequests } from "./requests.js";

const views = {};

function showView() {
  const name = location.hash.slice(1) in views ? location.hash.slice(1) : "chat";
  for (const [other, view] of Object.entries(views)) {
    byId(other).hidden = other !== name;
    view.shown(other === name);
  }
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${name}`) {
      link.setAttribute("aria-current", "page");
    } else {
      link.removeAttribute("aria-current");
    }
  }
  document.title = `${name[0].toUpperCase()}${name.slice(1)} · Apus`;
}

function startKey() {
  const dialog = byId("key-dialog");
  const input = byId("key-input");
  const open = (why) => {
    byId("key-why").textContent = why;
    if (!dialog.open) {
      input.value = key.get();
      dialog.showModal();
    }
  };
  const use = (value) => {
    dialog.close();
    key.set(value.trim());
  };
  byId("key").onclick = () => open("");
  byId("key-cancel").onclick = () => dialog.close();
  byId("key-forget").onclick = () => use("");
  byId("key-form").onsubmit = (event) => {
    event.preventDefault();
    use(input.value);
  };
  document.addEventListener("key-needed", (event) => open(event.detail));
}

startKey();
views.chat = startChat();
views.live = startLive();
views.requests = startRequests();
addEventListener("hashchange", showView);
showView();
