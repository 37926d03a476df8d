// Newline-delimited JSON of a response, as it arrives.

/**
 * The values of the lines of a byte stream, which may be cut anywhere, also inside a character.
 * A line that is no JSON object is handed to `onMalformed` as text, and the stream goes on.
 */
export async function* jsonLines(stream, onMalformed) {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
      const lines = rest.split("\n");
      rest = done ? "" : lines.pop();
      for (const line of lines) {
        if (!line.trim()) continue;
        const parsed = objectOf(line);
        if (parsed) yield parsed;
        else onMalformed(line);
      }
      if (done) return;
    }
  } finally {
    // Leaving early closes the connection, which stops the work behind it.
    await reader.cancel();
  }
}

function objectOf(line) {
  try {
    const value = JSON.parse(line);
    return value !== null && typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}
