// What the token mask did to an answer: a box for each token, with its phase, and the probability that was removed.

import { element, percent } from "./elements.js";

// The same bounds as `octupus explain`.
const MUCH = 0.5;
const SOME = 0.1;
const WORTH_SHOWING = 0.005;
const GAP_PX = 4;
const VISIBLE = { " ": "·", "\n": "⏎", "\t": "⇥", "\r": "␍" };

/** An explanation, as `octupus.explanation` of an answer has it. */
export function maskView(explanation) {
  const tip = element("div", { class: "tip", role: "tooltip", "aria-hidden": "true", hidden: true });
  const boxes = explanation.steps.map((step, position) => tokenBox(step, position, tip));
  const tokens = element("div", { class: "tokens", role: "group", "aria-label": "Tokens; arrow keys move" }, ...boxes, tip);
  boxes[0]?.setAttribute("tabindex", "0");
  tokens.addEventListener("keydown", (event) => move(event, boxes, tip));
  const phases = [...new Set(explanation.steps.map((step) => step.phase))];
  return element(
    "details",
    { class: "mask" },
    element("summary", {}, "Token mask", element("span", { class: "faint" }, summary(explanation))),
    legend(phases),
    tokens,
    ...remarks(explanation).map((remark) => element("p", { class: "problem" }, remark)),
  );
}

/** Everything about one step, a line each. */
export function stepLines(step, position) {
  const lines = [
    `Token ${position + 1}, ${step.phase.replaceAll("_", " ")}`,
    `${JSON.stringify(step.text)}, id ${step.token_id}`,
    step.forced ? "Forced: the mask allowed no other" : `${step.allowed.toLocaleString("en")} tokens allowed`,
  ];
  if (step.hurried) lines.push("The budget had taken a choice from the model");
  if (step.removed !== null) {
    lines.push(step.removed < 0.0005 ? "Removed: next to nothing" : `Removed: at least ${percent(step.removed)} of the probability`);
  }
  const preferred = (step.preferred ?? []).filter((token) => token.probability >= WORTH_SHOWING);
  if (preferred.length) {
    lines.push("Would rather have written:");
    lines.push(...preferred.map((token) => `  ${JSON.stringify(token.text)} ${percent(token.probability)}`));
  }
  return lines;
}

function tokenBox(step, position, tip) {
  const removed = step.removed ?? 0;
  const level = removed >= MUCH ? "much" : removed >= SOME ? "some" : "little";
  const shown = step.text.replace(/[ \n\t\r]/g, (character) => VISIBLE[character]) || "∅";
  const show = (event) => showTip(tip, event.currentTarget, stepLines(step, position));
  const hide = () => { tip.hidden = true; };
  return element(
    "button",
    {
      type: "button",
      class: `token phase-${step.phase} ${level}${step.forced ? " forced" : ""}`,
      tabindex: "-1",
      "aria-label": stepLines(step, position).join("; "),
      mouseenter: show, mouseleave: hide, focus: show, blur: hide, click: show,
    },
    shown,
  );
}

function showTip(tip, box, lines) {
  tip.replaceChildren(...lines.map((line) => element("div", {}, line)));
  tip.hidden = false;
  const room = tip.parentElement.clientWidth - tip.offsetWidth;
  tip.style.left = `${Math.max(0, Math.min(box.offsetLeft, room))}px`;
  // Below the token where it can be seen there, else above.
  const [place, visible] = [box, tip.closest("#log")].map((each) => each.getBoundingClientRect());
  const below = visible.bottom - place.bottom;
  const above = place.top - visible.top;
  const fits = below >= tip.offsetHeight + GAP_PX || below >= above;
  tip.style.top = `${fits ? box.offsetTop + box.offsetHeight + GAP_PX : box.offsetTop - tip.offsetHeight - GAP_PX}px`;
}

function move(event, boxes, tip) {
  const at = boxes.indexOf(document.activeElement);
  const last = boxes.length - 1;
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: last }[event.key];
  if (event.key === "Escape") tip.hidden = true;
  if (to === undefined || at < 0) return;
  event.preventDefault();
  const box = boxes[Math.max(0, Math.min(to, last))];
  boxes[at].setAttribute("tabindex", "-1");
  box.setAttribute("tabindex", "0");
  box.focus();
}

function legend(phases) {
  const entries = phases.map((phase) => [`phase-${phase}`, phase.replaceAll("_", " ")]);
  entries.push(["forced", "forced"], ["some", "≥ 10 % removed"], ["much", "≥ 50 % removed"]);
  return element(
    "div",
    { class: "legend", "aria-hidden": "true" },
    ...entries.map(([name, text]) => element("span", { class: `token ${name}` }, text)),
  );
}

function summary({ steps, forced_share: forced, removed_mean: mean }) {
  const removed = mean === null ? "" : `, ${percent(mean)} removed in the mean step`;
  return ` ${steps.length} tokens, ${percent(forced)} forced${removed}`;
}

function remarks({ hurried_from: hurried, refused_at: refused }) {
  const made = [];
  if (hurried !== null) made.push(`max_tokens took choices from the model from token ${hurried + 1} on`);
  if (refused !== null) made.push(`The constraint does not take token ${refused + 1}; report this`);
  return made;
}
