// The page: what is on it, and what happens when it is used.

import { admissionView } from "./admission.js";
import { Answer } from "./answer.js";
import { Endpoint } from "./api.js";
import { element } from "./elements.js";
import { AnswerView, errorMessage, resultForm, resultMessage, userMessage } from "./messages.js";
import { chatBody, checkBody, EXAMPLE_TOOLS, toolNames } from "./request.js";
import { setUpSearch } from "./search.js";

const CHECK_AFTER_MS = 300;
const NEAR_THE_END = 60;

const byId = (id) => document.getElementById(id);
const [log, prompt, tools, model, status] = ["log", "prompt", "tools", "model", "status"].map(byId);
const key = () => byId("key").value.trim();
const endpoint = new Endpoint(key);

/** What has been said, whole exchanges only: an answer that breaks off is no part of it. */
let messages = [];
/** Calls that wait for their results. */
let waiting = null;
/** Stops the answer that is being generated. */
let running = null;
/** Stops the check of the tools that is under way. */
let checking = null;
let checkTimer = null;

// --- the conversation

async function ask(added, taken) {
  const answer = new Answer();
  const view = new AnswerView();
  const attempt = [...messages, ...added];
  const mine = new AbortController();
  running = mine;
  append(view.root);
  showState();
  try {
    for await (const chunk of endpoint.chat(body(attempt), mine.signal)) {
      answer.push(chunk);
      keepAtEnd(() => view.update(answer));
    }
    // A new conversation was begun meanwhile.
    if (running !== mine) return;
    messages = [...attempt, answer.message()];
    waiting = answer.calls.length ? answer.calls : null;
    taken(true);
    keepAtEnd(() => view.finish(answer));
    if (waiting) offerResults(waiting);
  } catch (error) {
    if (running !== mine) return;
    taken(false);
    const stopped = error.name === "AbortError";
    if (answer.isEmpty && !stopped) view.root.remove();
    else view.leaveOut(stopped ? "Stopped; not part of the conversation" : "Not part of the conversation");
    if (!stopped) append(errorMessage(error));
  } finally {
    if (running === mine) running = null;
    showState();
  }
}

function sendPrompt() {
  const text = prompt.value;
  if (!text.trim() || running || waiting || !toolsAreFine()) return;
  const shown = userMessage(text);
  append(shown);
  prompt.value = "";
  ask([{ role: "user", content: text }], (whole) => {
    if (whole) return;
    shown.classList.add("left-out");
    prompt.value ||= text;
  });
}

function offerResults(calls) {
  const form = resultForm(calls, (texts) => {
    if (running || !toolsAreFine()) return;
    const results = calls.map((call, index) => ({ role: "tool", tool_call_id: call.id, content: texts[index] }));
    const shown = calls.map((call, index) => resultMessage(call.name, texts[index]));
    form.replaceWith(...shown);
    ask(results, (whole) => {
      if (whole) return;
      for (const each of shown) each.classList.add("left-out");
      append(form);
    });
  });
  append(form);
  focusIfFree(form.querySelector("textarea"));
}

function restart() {
  const before = running;
  running = waiting = null;
  before?.abort();
  messages = [];
  log.replaceChildren();
  showState();
  prompt.focus();
}

function body(attempt) {
  const number = (id) => (byId(id).value.trim() === "" ? null : Number(byId(id).value));
  return chatBody({
    model: model.value,
    messages: attempt,
    system: byId("system").value,
    toolsText: tools.value,
    names: toolNames(tools.value),
    options: {
      temperature: number("temperature"),
      max_tokens: number("max-tokens"),
      seed: number("seed"),
      explain: byId("explain").checked,
      parallel: byId("parallel").checked,
      toolChoice: byId("tool-choice").value,
      onUnenforceable: byId("on-unenforceable").value,
    },
  });
}

function showState() {
  byId("stop").hidden = !running;
  byId("send").hidden = Boolean(running);
  byId("send").disabled = Boolean(waiting);
  status.textContent = running ? "Answering" : waiting ? "The model waits for the results of its calls." : "";
  if (!running && !waiting) focusIfFree(prompt);
}

// Takes the focus from nobody who is writing elsewhere.
function focusIfFree(field) {
  if ([document.body, prompt].includes(document.activeElement)) field.focus({ preventScroll: true });
}

function append(child) {
  log.querySelector(".hint")?.remove();
  log.append(child);
  log.scrollTop = log.scrollHeight;
}

// Follows the answer as it grows, unless the person has scrolled up to read.
function keepAtEnd(change) {
  const following = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_THE_END;
  change();
  if (following) log.scrollTop = log.scrollHeight;
}

// --- tools

function toolsChanged() {
  clearTimeout(checkTimer);
  checking?.abort();
  byId("admission").replaceChildren();
  try {
    showChoices(toolNames(tools.value));
    showProblem("");
  } catch (error) {
    showProblem(error.message);
    return;
  }
  if (tools.value.trim()) checkTimer = setTimeout(checkTools, CHECK_AFTER_MS);
}

async function checkTools() {
  const mine = new AbortController();
  checking = mine;
  let shown;
  try {
    const check = await endpoint.checkTools(checkBody(tools.value, byId("on-unenforceable").value), mine.signal);
    shown = admissionView(check);
  } catch (error) {
    if (mine.signal.aborted) return;
    shown = errorMessage(error);
  }
  if (checking === mine) byId("admission").replaceChildren(shown);
}

function toolsAreFine() {
  try {
    toolNames(tools.value);
    return true;
  } catch (error) {
    showProblem(error.message);
    tools.focus();
    return false;
  }
}

function showProblem(text) {
  byId("tools-problem").textContent = text;
  tools.setAttribute("aria-invalid", String(Boolean(text)));
}

function showChoices(names) {
  const choice = byId("tool-choice");
  const before = choice.value;
  const general = ["auto", "required", "none"].map((value) => element("option", { value }, value));
  choice.replaceChildren(...general, ...names.map((name) => element("option", { value: `tool:${name}` }, name)));
  choice.value = before;
  if (choice.selectedIndex < 0) choice.value = "auto";
}

// --- models

async function loadModels() {
  const before = model.value;
  try {
    const names = await endpoint.models();
    model.replaceChildren(...names.map((name) => element("option", { value: name }, name)));
    if (names.includes(before)) model.value = before;
    status.textContent = "";
  } catch (error) {
    const hint = error.status === 401 ? "This endpoint asks for an API key." : `The models cannot be listed: ${error.message}`;
    status.textContent = hint;
  }
}

// --- what is on the page

byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  sendPrompt();
});
prompt.addEventListener("keydown", (event) => {
  // Enter also ends the choice of a character in Chinese and Japanese.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  sendPrompt();
});
byId("stop").addEventListener("click", () => running?.abort());
byId("restart").addEventListener("click", restart);
tools.addEventListener("input", toolsChanged);
byId("on-unenforceable").addEventListener("change", toolsChanged);
byId("example").addEventListener("click", () => {
  tools.value = JSON.stringify(EXAMPLE_TOOLS, null, 2);
  toolsChanged();
});
byId("clear").addEventListener("click", () => {
  tools.value = "";
  toolsChanged();
});
byId("key").addEventListener("change", () => {
  loadModels();
  toolsChanged();
});
setUpSearch(key);
loadModels();
toolsChanged();
