// What package http leaves to everyone: answers, and a body read with a limit.

// Refusal is an error the client is told about.
export class Refusal extends Error {
  constructor(status, message, options) {
    super(message, options);
    this.status = status;
  }
}

export function text(response, status, type, body) {
  response.writeHead(status, { "Content-Type": type, "Content-Length": Buffer.byteLength(body), "Cache-Control": "no-store" });
  response.end(body);
}

export function json(response, status, value) {
  if (!response.headersSent) {
    text(response, status, "application/json", JSON.stringify(value) + "\n");
  }
}

const maxBody = 16 * 1024;

export async function readJSON(request) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > maxBody) {
      throw new Refusal(413, `the body is larger than ${maxBody} bytes`);
    }
    parts.push(part);
  }
  try {
    return JSON.parse(Buffer.concat(parts).toString("utf8"));
  } catch {
    throw new Refusal(400, "the body is not JSON");
  }
}
