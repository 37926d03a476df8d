// The endpoint's routes, relative to the page, and its errors.

import { eventData } from "./sse.js";

/** An error of the endpoint: OpenAI's envelope, or what stands in for one. */
export class EndpointError extends Error {
  constructor(message, { status = null, param = null, code = null } = {}) {
    super(message);
    Object.assign(this, { status, param, code });
  }
}

export class Endpoint {
  /** `key` gives the API key, or "". */
  constructor(key) {
    this.key = key;
  }

  /** Names of the models served. */
  async models() {
    const response = await this.#fetch("v1/models", {});
    return (await response.json()).data.map((model) => model.id);
  }

  /** What becomes of each keyword of the tools, before anything is generated; `body` is JSON text. */
  async checkTools(body, signal) {
    const response = await this.#fetch("v1/tools:check", { method: "POST", body, signal });
    return response.json();
  }

  /** The chunks of a streamed chat completion; `body` is JSON text. Throws EndpointError, also in the middle. */
  async *chat(body, signal) {
    const response = await this.#fetch("v1/chat/completions", { method: "POST", body, signal });
    for await (const data of eventData(response.body)) {
      if (data === "[DONE]") return;
      const chunk = JSON.parse(data);
      if (chunk.error) throw envelopeError(chunk, null);
      yield chunk;
    }
    throw new EndpointError("The stream broke off before its end.");
  }

  async #fetch(path, options) {
    const headers = { "content-type": "application/json" };
    if (this.key()) headers.authorization = `Bearer ${this.key()}`;
    let response;
    try {
      response = await fetch(new URL(path, document.baseURI), { ...options, headers });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new EndpointError("The endpoint cannot be reached; is it still up?");
    }
    if (!response.ok) throw envelopeError(await response.json().catch(() => ({})), response.status);
    return response;
  }
}

function envelopeError(body, status) {
  const { message, param, code } = body.error ?? {};
  return new EndpointError(message ?? `The endpoint answered ${status}.`, { status, param, code });
}
