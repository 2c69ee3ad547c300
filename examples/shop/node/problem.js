// Answers that say what went wrong, in the form of RFC 9457.
import { STATUS_CODES } from "node:http";

const titles = { ...STATUS_CODES, 413: "Content Too Large" }; // RFC 9110's name

// Problem is an error that the client is told about.
export class Problem extends Error {
  constructor(status, detail, { headers = {}, cause } = {}) {
    super(detail, { cause });
    this.status = status;
    this.headers = headers;
  }

  body() {
    return { type: "about:blank", title: titles[this.status], status: this.status, detail: this.message };
  }
}
