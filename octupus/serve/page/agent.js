// The agent's routes, and its stream of events.

import { EndpointError } from "./api.js";
import { jsonLines } from "./json_lines.js";

const ENDS = ["on_request_end", "on_error"];

export class Agent {
  /** `address` gives where questions are sent, relative to the page; `key` gives the API key, or "". */
  constructor(address, key) {
    this.address = address;
    this.key = key;
  }

  /** The methods that a question may name, and the one it gets otherwise. */
  async methods() {
    const response = await this.#fetch("methods", {});
    const body = await response.json().catch(() => null);
    if (!Array.isArray(body?.methods)) throw new EndpointError("What answers there is no agent.");
    return body;
  }

  /** Whether a retriever chooses the tools, and how many there are. */
  async tools() {
    const response = await this.#fetch("tools", {});
    return response.json();
  }

  /** The events of a question. Throws EndpointError when the stream breaks off; `onMalformed` gets what is no event. */
  async *ask(question, signal, onMalformed) {
    const response = await this.#fetch("", { method: "POST", body: JSON.stringify(question), signal });
    let last = null;
    try {
      for await (const event of jsonLines(response.body, onMalformed)) {
        last = event.method_name;
        yield event;
      }
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new EndpointError(`The stream broke off: ${error.message}`);
    }
    if (!ENDS.includes(last)) throw new EndpointError("The stream broke off before its end.");
  }

  /** Fetch what stands beside the stream, or with "" the stream itself. */
  async #fetch(beside, options) {
    const stream = new URL(this.address(), document.baseURI);
    // The page's Content-Security-Policy lets it talk to nobody else.
    if (stream.origin !== location.origin) throw new EndpointError(`The page can only ask its own server, ${location.origin}.`);
    const headers = { "content-type": "application/json" };
    if (this.key()) headers.authorization = `Bearer ${this.key()}`;
    let response;
    try {
      response = await fetch(beside ? new URL(beside, stream) : stream, { ...options, headers });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new EndpointError("The agent cannot be reached; is it still up?");
    }
    if (response.ok) return response;
    const { message, param, code } = (await response.json().catch(() => ({}))).error ?? {};
    throw new EndpointError(message ?? `The agent answered ${response.status}.`, { status: response.status, param, code });
  }
}
