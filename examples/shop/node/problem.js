// Answers that say what went wrong, in the form of RFC 9457.
import { STATUS_CODES } from "node:http";

// Problem is an error that the client is told about.
export class Problem extends Error {
  constructor(status, detail, { headers = {}, cause } = {}) {
    super(detail, { cause });
    this.status = status;
    this.headers = headers;
  }

  body() {
    return { type: "about:blank", title: STATUS_CODES[this.status], status: this.status, detail: this.message };
  }
}
