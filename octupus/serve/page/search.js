// The search view: a question to the agent, and its search as it grows.

import { Agent } from "./agent.js";
import { element } from "./elements.js";
import { errorMessage } from "./messages.js";
import { SearchTree } from "./search_tree.js";
import { TreeView } from "./search_view.js";

const MISSING =
  "No agent is served here. Start one beside the endpoint with serve run serve_configs/agent.yaml, or give another address.";
const SHOWN_MALFORMED = 200;

const byId = (id) => document.getElementById(id);

/** Make the view work; `key` gives the API key, or "". */
export function setUpSearch(key) {
  const [status, place] = [byId("search-status"), byId("search-tree")];
  const agent = new Agent(() => byId("agent-address").value.trim(), key);
  /** Stops the search that is under way. */
  let running = null;

  async function run() {
    const text = byId("question").value;
    if (!text.trim() || running) return;
    const mine = new AbortController();
    const tree = new SearchTree();
    const view = new TreeView();
    let malformed = 0;
    running = mine;
    place.replaceChildren(view.list);
    byId("search-detail").replaceChildren(view.detail);
    byId("search-answer").replaceChildren();
    byId("search-notes").replaceChildren();
    showRunning();
    try {
      const told = (line) => note((malformed += 1), line);
      for await (const event of agent.ask(question(text), mine.signal, told)) {
        const changed = tree.push(event);
        if (changed) follow(() => view.show(changed, tree.chosen));
        status.textContent = `Searching · ${counted(tree)}`;
      }
      for (const number of [...tree.chosen].reverse()) view.show(tree.node(number), tree.chosen);
      byId("search-answer").replaceChildren(...ending(tree));
      status.textContent = `${tree.end.method_name === "on_error" ? "Failed" : "Finished"} · ${counted(tree)}`;
    } catch (error) {
      const stopped = error.name === "AbortError";
      if (!stopped) byId("search-answer").append(errorMessage(error));
      status.textContent = `${stopped ? "Stopped" : "Broken off"} · ${counted(tree)}`;
    } finally {
      view.stop();
      running = null;
      showRunning();
    }
  }

  function question(text) {
    const [method, topK] = [byId("method").value, byId("top-k")];
    const chosen = topK.disabled || !topK.value.trim() ? {} : { top_k: Number(topK.value) };
    return { text, ...(method && { method }), ...chosen };
  }

  function note(count, line) {
    const shown = line.length > SHOWN_MALFORMED ? `${line.slice(0, SHOWN_MALFORMED)}…` : line;
    const text = `${count === 1 ? "A line of the stream is" : `${count} lines of the stream are`} no event; the last: ${shown}`;
    byId("search-notes").replaceChildren(element("p", { class: "problem", role: "alert" }, text));
  }

  function showRunning() {
    byId("search-stop").hidden = !running;
    byId("search-run").hidden = Boolean(running);
  }

  /** See whether there is an agent, and what it offers. */
  async function look() {
    const choice = byId("method");
    const before = choice.value;
    try {
      const [{ methods, default: usual }, { tools, retrieval }] = await Promise.all([agent.methods(), agent.tools()]);
      choice.replaceChildren(...methods.map((name) => element("option", { value: name }, name)));
      choice.value = methods.includes(before) ? before : usual;
      byId("top-k").disabled = !retrieval;
      byId("agent-problem").textContent = "";
      byId("agent-tools").textContent = retrieval
        ? `The nearest of ${tools.length} tools are offered.`
        : `All of ${tools.length} tools are offered.`;
    } catch (error) {
      choice.replaceChildren();
      byId("agent-tools").textContent = "";
      byId("agent-problem").textContent = error.status === 404 ? MISSING : error.message;
    }
  }

  byId("search-form").addEventListener("submit", (event) => {
    event.preventDefault();
    run();
  });
  byId("question").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    run();
  });
  byId("search-stop").addEventListener("click", () => running?.abort());
  byId("agent-address").addEventListener("change", look);
  byId("key").addEventListener("change", () => {
    if (!byId("search").hidden) look();
  });
  setUpViews(look);
}

/** Chat and Search, one at a time. `opened` is called when the search is shown. */
function setUpViews(opened) {
  const views = ["chat", "search"];
  const show = (shown) => {
    for (const name of views) {
      byId(name).hidden = name !== shown;
      byId(`show-${name}`).setAttribute("aria-pressed", String(name === shown));
    }
    document.querySelector(".jump").hidden = shown !== "chat";
    if (shown === "search") opened();
  };
  for (const name of views) byId(`show-${name}`).addEventListener("click", () => show(name));
}

function counted(tree) {
  const { queries, tokensIn, tokensOut } = tree.spent;
  const messages = tree.messages;
  const ended = ["answer", "gave up", "pruned", "failed"]
    .map((outcome) => [messages.filter((node) => node.outcome === outcome).length, outcome])
    .filter(([count]) => count)
    .map(([count, outcome]) => `${count} ${outcome}`);
  return [
    `${messages.length} nodes`, ...ended, `${queries} queries`,
    `${tokensIn.toLocaleString("en")} tokens in, ${tokensOut.toLocaleString("en")} out`,
  ].join(" · ");
}

function ending({ end }) {
  if (end.method_name === "on_error") return [errorMessage({ message: end.error, code: end.code })];
  const stopped = end.stopped ? `Stopped by: ${end.stopped.replaceAll("_", " ")}` : "";
  if (end.win) return [element("h2", {}, "Answer"), element("div", { class: "text" }, end.output), faint(stopped)].filter(Boolean);
  const given = end.finish_type ? "The agent gave up." : "The search ended without an answer.";
  return [element("h2", {}, "No answer"), element("p", {}, given), faint(stopped)].filter(Boolean);
}

function faint(text) {
  return text ? element("p", { class: "faint" }, text) : null;
}

// Keeps the newest node in sight, unless the person has scrolled up to read.
function follow(change) {
  const log = byId("search-tree");
  const following = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
  change();
  if (following) log.scrollTop = log.scrollHeight;
}
