// A search tree on the page: a list of lists that grows, and the whole of the node that is looked at.

import { element } from "./elements.js";
import { pretty } from "./json_text.js";

const LABEL_LENGTH = 90;
const STATUS_WORDS = [
  "ok", "unknown tool", "bad input", "answered", "gave up", "timeout", "not found",
  "unauthorized", "not subscribed", "rate limit", "quota", "tool error", "request error",
];
const TONES = { answer: "good", "gave up": "warn", pruned: "warn", failed: "bad" };

/** The tree. `show` draws what an event changed; keys move in it as in any tree. */
export class TreeView {
  /** By node number: the node, its item and its row, and the list of its children where it has some. */
  #shown = new Map();
  #selected = null;
  /** Whether the newest node is looked at; not once a person has chosen one. */
  #follows = true;

  constructor() {
    this.list = element("ul", { role: "tree", "aria-label": "Search tree", class: "tree", keydown: (event) => this.#key(event) });
    this.detail = element("section", { class: "node-detail", "aria-label": "Selected node" });
  }

  show(node, chosen) {
    const shown = this.#shown.get(node.number) ?? this.#add(node);
    shown.row.replaceChildren(...rowParts(node));
    shown.row.classList.toggle("busy", node.parent !== null && node.state !== "done");
    shown.row.classList.toggle("chosen", chosen.has(node.number));
    if (this.#follows && node.parent !== null) this.#select(node.number);
    else if (this.#selected === node.number) this.#describe(node);
  }

  /** Say that nothing more comes: what was under way was not finished. */
  stop() {
    for (const { row } of this.#shown.values()) row.classList.remove("busy");
  }

  #add(node) {
    if (node.parent !== null && !this.#shown.has(node.parent.number)) this.show(node.parent, new Set());
    const row = element("div", {
      class: "row",
      click: () => this.#choose(node.number),
      mouseenter: () => this.#describe(node),
      mouseleave: () => this.#describe(this.#shown.get(this.#selected)?.node ?? node),
    });
    const level = String(node.depth + 1);
    const item = element("li", { role: "treeitem", "aria-level": level, "aria-selected": "false", tabindex: "-1" }, row);
    const shown = { node, item, row, list: null };
    if (!this.#shown.size) item.setAttribute("tabindex", "0");
    this.#shown.set(node.number, shown);
    this.#listBelow(node.parent).append(item);
    return shown;
  }

  #listBelow(parent) {
    if (parent === null) return this.list;
    const shown = this.#shown.get(parent.number);
    if (shown.list === null) {
      shown.list = element("ul", { role: "group" });
      shown.item.append(shown.list);
      shown.item.setAttribute("aria-expanded", "true");
    }
    return shown.list;
  }

  #choose(number) {
    this.#follows = false;
    this.#select(number);
    this.#shown.get(number).item.focus({ preventScroll: true });
  }

  #select(number) {
    const before = this.#shown.get(this.#selected);
    before?.item.setAttribute("aria-selected", "false");
    const now = this.#shown.get(number);
    now.item.setAttribute("aria-selected", "true");
    for (const { item } of this.#shown.values()) item.setAttribute("tabindex", item === now.item ? "0" : "-1");
    this.#selected = number;
    this.#describe(now.node);
  }

  #describe(node) {
    this.detail.replaceChildren(...detailParts(node));
  }

  #key(event) {
    const items = [...this.list.querySelectorAll("[role=treeitem]")];
    const at = items.indexOf(event.target);
    if (at < 0) return;
    const item = items[at];
    const targets = {
      ArrowDown: items[at + 1],
      ArrowUp: items[at - 1],
      ArrowLeft: item.parentElement.closest("[role=treeitem]"),
      ArrowRight: item.querySelector("[role=treeitem]"),
      Home: items[0],
      End: items.at(-1),
      Enter: item,
      " ": item,
    };
    if (!Object.hasOwn(targets, event.key)) return;
    event.preventDefault();
    const [number] = [...this.#shown].find(([, shown]) => shown.item === targets[event.key]) ?? [null];
    if (number === null) return;
    this.#choose(number);
    this.#shown.get(number).row.scrollIntoView({ block: "nearest" });
  }
}

function rowParts(node) {
  const badges = [];
  if (node.outcome) badges.push(tone(TONES[node.outcome], node.outcome));
  if (node.errors) badges.push(tone("bad", node.errors === 1 ? "1 error" : `${node.errors} errors`));
  return [element("span", { class: "number" }, String(node.number)), element("span", { class: "label" }, labelOf(node)), ...badges];
}

function labelOf(node) {
  if (node.parent === null) return "Question";
  if (node.failure) return "The endpoint gave no message";
  if (node.state === "asking") return "Asking the model";
  const calls = node.calls.map((call) => `${call.name} ${call.arguments}`);
  return cut(calls.length ? calls.join(" · ") : node.content || "Nothing was said");
}

function cut(text) {
  return text.length > LABEL_LENGTH ? `${text.slice(0, LABEL_LENGTH)}…` : text;
}

function detailParts(node) {
  if (node.parent === null) return [element("h2", {}, "Question"), element("p", { class: "faint" }, "What every chain begins with.")];
  const why = node.whyPruned.replaceAll("_", " ");
  const facts = [`${node.tokensIn} tokens in, ${node.tokensOut} out`, node.outcome, why].filter(Boolean).join(" · ");
  return [
    element("h2", {}, `Node ${node.number}`),
    element("p", { class: "faint" }, facts),
    node.failure ? element("p", { class: "problem" }, node.failure) : null,
    node.content ? element("div", { class: "text" }, node.content) : null,
    ...node.calls.map((call) => callView(call, node.state)),
  ].filter(Boolean);
}

function callView(call, state) {
  const waiting = state === "done" ? "not made" : "waiting";
  const word = call.status === null ? waiting : STATUS_WORDS[call.status] ?? `status ${call.status}`;
  const good = [0, 3].includes(call.status);
  return element(
    "section",
    { class: "call", "aria-label": `Call of ${call.name}` },
    element("span", { class: "name" }, call.name),
    tone(good ? "good" : call.status === null ? "plain" : "warn", word),
    element("pre", { class: "arguments" }, pretty(call.arguments)),
    call.output === null ? null : element("pre", { class: "output", "aria-label": "Result" }, pretty(call.output)),
  );
}

function tone(name, word) {
  return element("span", { class: `badge ${name}` }, word);
}
