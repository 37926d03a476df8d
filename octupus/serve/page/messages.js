// Messages of the conversation, an answer while it streams, and the form for the results of its calls.

import { element } from "./elements.js";
import { pretty } from "./json_text.js";
import { maskView } from "./mask.js";

/** What the person wrote. */
export function userMessage(text) {
  return element("article", { class: "message user", "aria-label": "You" }, element("div", { class: "text" }, text));
}

/** A result that was given for a call. */
export function resultMessage(name, text) {
  return element(
    "article",
    { class: "message result", "aria-label": `Result of ${name}` },
    element("div", { class: "name" }, `Result of ${name}`),
    element("pre", {}, pretty(text)),
  );
}

/** An error, with the field it is about. */
export function errorMessage(error) {
  const about = [error.status && `HTTP ${error.status}`, error.param && `field ${error.param}`, error.code];
  const line = about.filter(Boolean).join(" · ");
  return element(
    "div",
    { class: "error", role: "alert" },
    element("div", {}, error.message),
    line ? element("code", {}, line) : null,
  );
}

/** An answer on the page. `update` shows what has come so far, `finish` how it ended. */
export class AnswerView {
  #calls = [];

  constructor() {
    this.reasoning = element("pre");
    this.thinking = element("details", { class: "reasoning", hidden: true }, element("summary", {}, "Reasoning"), this.reasoning);
    this.content = element("div", { class: "text" });
    this.root = element(
      "article",
      { class: "message assistant", "aria-label": "Answer", "aria-busy": "true" },
      this.thinking,
      this.content,
    );
  }

  update(answer) {
    if (answer.reasoning && this.thinking.hidden) {
      this.thinking.hidden = false;
      this.thinking.open = true;
    }
    grow(this.reasoning, answer.reasoning);
    grow(this.content, answer.content);
    answer.calls.forEach((call, index) => {
      this.#calls[index] ??= this.#addCall();
      const { name, text } = this.#calls[index];
      name.textContent = call.name;
      grow(text, call.arguments);
    });
  }

  finish(answer) {
    answer.calls.forEach((call, index) => {
      this.#calls[index].text.textContent = pretty(call.arguments);
    });
    this.thinking.open = false;
    this.#end(facts(answer));
    for (const note of notes(answer)) this.root.append(element("p", { class: "problem" }, note));
    if (answer.notes.explanation) this.root.append(maskView(answer.notes.explanation));
  }

  /** Mark an answer that is no part of the conversation. */
  leaveOut(reason) {
    this.root.classList.add("left-out");
    this.#end(reason);
  }

  #addCall() {
    const call = { name: element("span", { class: "name" }), text: element("pre", { class: "arguments" }) };
    this.root.append(element("section", { class: "call", "aria-label": "Call" }, call.name, call.text));
    return call;
  }

  #end(text) {
    this.root.setAttribute("aria-busy", "false");
    this.root.append(element("footer", {}, text));
  }
}

/** A form for the results of calls; `onSend` gets one text for each call. */
export function resultForm(calls, onSend) {
  const fields = calls.map(() => element("textarea", { rows: "2", spellcheck: "false", placeholder: '{"temperature": 21}' }));
  const send = (event) => {
    event.preventDefault();
    onSend(fields.map((field) => field.value));
  };
  return element(
    "form",
    { class: "results", "aria-label": "Results", submit: send },
    ...calls.map((call, index) => element("label", {}, `Result of ${call.name}`, fields[index])),
    element("div", { class: "buttons" }, element("button", { type: "submit", class: "primary" }, "Send results")),
  );
}

// Adds what is new to the text that stands there, so that a long answer is not laid out anew for every token.
function grow(place, text) {
  const shown = place.textContent.length;
  if (text.length > shown) place.append(text.slice(shown));
}

function facts(answer) {
  const { usage } = answer;
  const counts = usage && `${usage.prompt_tokens} tokens in, ${usage.completion_tokens} out`;
  const ended = answer.finishReason === "length" ? "length: its tokens were used up" : answer.finishReason;
  return [ended, counts].filter(Boolean).join(" · ");
}

function notes(answer) {
  const { checked = [], violations = [] } = answer.notes;
  const places = checked.map(({ tool, json_pointer: pointer }) => `${tool ?? "content"} ${pointer}`);
  if (violations.length) return violations.map((violation) => `Violated: ${violation}`);
  return places.length ? [`Checked afterwards, and found to hold: ${places.join(", ")}`] : [];
}
