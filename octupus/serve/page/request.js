// What is sent: the tools that were pasted, and the options of the form, as the text of a request.

export const EXAMPLE_TOOLS = [
  {
    type: "function",
    function: {
      name: "get_weather",
      description: "Weather of a city.",
      parameters: {
        type: "object",
        properties: {
          city: { type: "string", maxLength: 40 },
          days: { type: "integer", minimum: 1, maximum: 7 },
          unit: { type: "string", enum: ["celsius", "fahrenheit"] },
        },
        required: ["city"],
      },
    },
  },
  {
    type: "function",
    function: {
      name: "remind",
      description: "Reminds of something at a time.",
      parameters: {
        type: "object",
        properties: {
          text: { type: "string" },
          at: { type: "string", format: "date-time" },
          tags: { type: "array", items: { type: "string" }, maxItems: 3 },
        },
        required: ["text", "at"],
      },
    },
  },
];

/** The names of the tools in JSON text. Throws an Error that says what is wrong and where. */
export function toolNames(text) {
  if (!text.trim()) return [];
  let tools;
  try {
    tools = JSON.parse(text);
  } catch (error) {
    throw new Error(`Not valid JSON: ${error.message}`);
  }
  if (!Array.isArray(tools)) throw new Error("The tools must be a list: [{\"type\": \"function\", ...}]");
  const names = tools.map((tool, position) => {
    const name = tool?.function?.name;
    if (tool?.type !== "function" || typeof name !== "string" || !name) {
      throw new Error(`Tool ${position + 1} must be {"type": "function", "function": {"name": ..., ...}}`);
    }
    return name;
  });
  const twice = names.find((name, position) => names.indexOf(name) !== position);
  if (twice !== undefined) throw new Error(`${twice} is defined twice`);
  return names;
}

/** The body of POST /v1/tools:check, as text. */
export function checkBody(toolsText, onUnenforceable) {
  return withTools({ on_unenforceable: onUnenforceable || null }, toolsText);
}

/** The body of POST /v1/chat/completions, as text. Options that are null are left to the server. */
export function chatBody({ model, messages, system, toolsText, names, options }) {
  const body = {
    model,
    messages: system.trim() ? [{ role: "system", content: system }, ...messages] : messages,
    stream: true,
    stream_options: { include_usage: true },
  };
  for (const field of ["temperature", "max_tokens", "seed"]) {
    if (options[field] !== null) body[field] = options[field];
  }
  if (options.explain) body.explain = true;
  if (!names.length) return JSON.stringify(body);
  body.tool_choice = toolChoice(options.toolChoice, names);
  body.parallel_tool_calls = options.parallel;
  if (options.onUnenforceable) body.on_unenforceable = options.onUnenforceable;
  return withTools(body, toolsText);
}

function toolChoice(value, names) {
  const name = value.startsWith("tool:") ? value.slice(5) : null;
  return name !== null && names.includes(name) ? { type: "function", function: { name } } : value;
}

// The tools go as they were typed, since parsing and writing anew would change large numbers in their schemas.
function withTools(body, toolsText) {
  return `${JSON.stringify(body).slice(0, -1)},"tools":${toolsText}}`;
}
