// Elements of the page. Text becomes text nodes, never markup, wherever it came from.

/** An element with attributes and children; `class`, `for`, `aria-...` as in HTML, functions as listeners. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null) made.setAttribute(name, value);
  }
  // append() makes text nodes of strings.
  made.append(...children.filter((child) => child !== null && child !== ""));
  return made;
}

/** A short word in a coloured box. */
export function badge(word) {
  return element("span", { class: `badge ${word}` }, word);
}

/** A share as people read it. */
export function percent(share) {
  return `${(share * 100).toFixed(1)} %`;
}
