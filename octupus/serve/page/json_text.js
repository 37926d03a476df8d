// JSON as text: laid out for people without a number or a string being changed, as parsing and writing anew might.

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gs;
const INDENT = "  ";

/** JSON text with one value a line; what is no JSON comes back as it is. */
export function pretty(text) {
  try {
    JSON.parse(text);
  } catch {
    return text;
  }
  const tokens = text.match(TOKEN);
  let depth = 0;
  let written = "";
  for (const [position, token] of tokens.entries()) {
    const following = tokens[position + 1];
    if (token === "}" || token === "]") {
      depth -= 1;
      if (!"{[".includes(tokens[position - 1])) written += newLine(depth);
      written += token;
    } else if (token === "{" || token === "[") {
      depth += 1;
      written += token;
      if (following !== "}" && following !== "]") written += newLine(depth);
    } else if (token === ",") {
      written += token + newLine(depth);
    } else {
      written += token === ":" ? ": " : token;
    }
  }
  return written;
}

function newLine(depth) {
  return `\n${INDENT.repeat(depth)}`;
}
