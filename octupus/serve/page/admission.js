// What becomes of each keyword of the tools' schemas: enforced by the mask, checked afterwards, or refused.

import { badge, element } from "./elements.js";

/** The answer of POST /v1/tools:check. */
export function admissionView(check) {
  const line = check.admitted ? "These tools are admitted." : "A request with these tools is refused.";
  return element(
    "div",
    { class: "admission" },
    element("p", { class: check.admitted ? "" : "problem" }, line),
    ...check.tools.map(toolView),
  );
}

function toolView(tool) {
  const summary = element(
    "summary",
    {},
    badge(tool.verdict),
    element("span", { class: "name" }, tool.name),
    element("span", { class: "faint" }, tool.backend ? `by ${tool.backend}` : ""),
  );
  return element(
    "details",
    { open: tool.verdict !== "enforced" },
    summary,
    tool.error ? element("p", { class: "problem" }, tool.error) : null,
    tool.keywords.length ? keywordTable(tool.keywords) : null,
  );
}

function keywordTable(keywords) {
  const head = ["verdict", "at", "why"].map((heading) => element("th", { scope: "col" }, heading));
  return element(
    "div",
    { class: "table" },
    element(
      "table",
      {},
      element("thead", {}, element("tr", {}, ...head)),
      element("tbody", {}, ...keywords.map(keywordRow)),
    ),
  );
}

function keywordRow({ json_pointer: pointer, verdict, explanation }) {
  return element(
    "tr",
    {},
    element("td", {}, badge(verdict)),
    element("td", {}, element("code", {}, pointer || "/")),
    element("td", {}, explanation),
  );
}
