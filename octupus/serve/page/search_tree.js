// A search tree as it grows: the agent's events in, nodes out. Knows nothing of the page.

const NOTHING_WRONG = [0, 3, 4]; // 3 and 4: a call of Finish that answers, or gives up

/** A message of the model with its calls. A root stands for the question, and has no message. */
class SearchNode {
  children = [];
  content = "";
  /** Its calls as {id, name, arguments, status, output}; the last two are null without a result. */
  calls = [];
  /** "asking" the model, "calling" tools, or "done". */
  state = "asking";
  pruned = false;
  whyPruned = "";
  finish = null;
  failure = "";
  tokensIn = 0;
  tokensOut = 0;

  constructor(number, parent) {
    this.number = number;
    this.parent = parent;
  }

  /** Messages from the root to this one. */
  get depth() {
    return this.parent === null ? 0 : this.parent.depth + 1;
  }

  /** How it ended, in a word: "failed", "answer", "gave up", "pruned", or "" where it may go on. */
  get outcome() {
    if (this.failure) return "failed";
    if (this.finish !== null) return this.finish === "give_answer" ? "answer" : "gave up";
    return this.pruned ? "pruned" : "";
  }

  /** Results that say that something was wrong. */
  get errors() {
    return this.calls.filter((call) => call.status !== null && !NOTHING_WRONG.includes(call.status)).length;
  }
}

/** What an event changes in its node, by the event's name. */
const CHANGES = {
  on_chain_start() {},
  on_llm_start() {},
  on_llm_end(node, { response, tokens_in: tokensIn, tokens_out: tokensOut }) {
    node.state = "calling";
    node.content = response?.content ?? "";
    node.calls = (response?.tool_calls ?? []).map((call) => ({
      id: call.id, name: call.function.name, arguments: call.function.arguments, status: null, output: null,
    }));
    node.tokensIn = tokensIn ?? 0;
    node.tokensOut = tokensOut ?? 0;
  },
  on_llm_error(node, { reason, detail }) {
    node.failure = [reason, detail].filter(Boolean).join(": ") || "the endpoint failed";
  },
  on_tool_end(node, { call_id: id, status, output }) {
    const call = node.calls.find((each) => each.id === id);
    if (call) Object.assign(call, { status, output });
  },
  on_agent_end(node, { finish_type: finish }) {
    node.finish = finish ?? null;
  },
  on_chain_end(node, { pruned, why_pruned: why }) {
    node.state = "done";
    node.pruned = Boolean(pruned);
    node.whyPruned = why ?? "";
  },
};

export class SearchTree {
  /** One root for a search, one for each try of chains. */
  roots = [];
  /** The event on_request_start, once it came. */
  request = null;
  /** The last event of a whole stream: on_request_end or on_error. */
  end = null;
  /** Numbers of the nodes whose chain counts, from its last to the root; known at the end. */
  chosen = new Set();
  #nodes = new Map();

  node(number) {
    return this.#nodes.get(number) ?? null;
  }

  /** The model's messages: all nodes but the roots, in the order in which they were made. */
  get messages() {
    return [...this.#nodes.values()].filter((node) => node.parent !== null);
  }

  /** What was spent so far; at the end as the agent counts it, which knows of requests that made no node. */
  get spent() {
    if (this.end?.method_name === "on_request_end") {
      const { query_count: queries, tokens_in: tokensIn, tokens_out: tokensOut } = this.end;
      return { queries, tokensIn, tokensOut };
    }
    const answered = this.messages.filter((node) => node.state !== "asking" && !node.failure);
    const sum = (field) => answered.reduce((total, node) => total + node[field], 0);
    return { queries: answered.length, tokensIn: sum("tokensIn"), tokensOut: sum("tokensOut") };
  }

  /** Take the next event; gives the node that it changed, or null. Events of unknown names change nothing. */
  push(event) {
    const name = event.method_name;
    if (name === "on_request_start") this.request = event;
    if (name === "on_request_end" || name === "on_error") this.#finish(event);
    if (!Object.hasOwn(CHANGES, name) || !Number.isInteger(event.node)) return null;
    const node = this.node(event.node) ?? this.#add(event.node, event.parent);
    CHANGES[name](node, event);
    return node;
  }

  #add(number, parentNumber) {
    const parent = Number.isInteger(parentNumber) ? (this.node(parentNumber) ?? this.#add(parentNumber, null)) : null;
    const node = new SearchNode(number, parent);
    this.#nodes.set(number, node);
    (parent === null ? this.roots : parent.children).push(node);
    return node;
  }

  #finish(event) {
    this.end = event;
    for (let node = this.node(event.node); node; node = node.parent) this.chosen.add(node.number);
  }
}
