// One answer as it grows: chunks in, and at the end the assistant's message.

export class Answer {
  reasoning = "";
  content = "";
  calls = [];
  finishReason = null;
  usage = null;
  /** octupus's own part of the answer: explanation, checked, violations. */
  notes = {};

  /** Take the next chunk of a stream. */
  push(chunk) {
    if (chunk.usage) this.usage = chunk.usage;
    Object.assign(this.notes, chunk.octupus);
    for (const choice of chunk.choices) {
      if (choice.index !== 0) continue;
      this.finishReason = choice.finish_reason ?? this.finishReason;
      this.reasoning += choice.delta.reasoning_content ?? "";
      this.content += choice.delta.content ?? "";
      for (const delta of choice.delta.tool_calls ?? []) this.#call(delta);
    }
  }

  get isEmpty() {
    return !this.reasoning && !this.content && !this.calls.length;
  }

  /** The message as it goes back with the next request. */
  message() {
    const message = { role: "assistant", content: this.content };
    if (!this.calls.length) return message;
    const calls = this.calls.map(({ id, name, arguments: text }) => ({
      id, type: "function", function: { name, arguments: text },
    }));
    return { ...message, content: this.content || null, tool_calls: calls };
  }

  #call(delta) {
    this.calls[delta.index] ??= { id: `call_${delta.index}`, name: "", arguments: "" };
    const call = this.calls[delta.index];
    call.id = delta.id ?? call.id;
    call.name += delta.function?.name ?? "";
    call.arguments += delta.function?.arguments ?? "";
  }
}
