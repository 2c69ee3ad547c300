// A small shop: a page, a read and a write. It serves, as far as it can, without its databases.
import { createServer } from "node:http";
import { config } from "./config.js";
import { openDatabases } from "./database.js";
import { readPages } from "./pages.js";
import { Problem } from "./problem.js";

const databases = openDatabases(config);
const pages = readPages("dist");

const routes = {
  // Alive without the databases: a restart would not mend them.
  "/healthz": { GET: async () => [200, { status: "ok", databases: databases.state(), instance: config.instance }] },
  "/api/products": { GET: async () => [200, { products: await databases.products() }] },
  "/api/orders": {
    POST: async (request) => {
      const order = await readJSON(request);
      if (!whole(order?.product_id, 2 ** 31 - 1) || !whole(order?.quantity, 100)) {
        throw new Problem(422, "product_id and quantity (1 to 100) must be whole numbers");
      }
      return [201, await databases.order(order.product_id, order.quantity, config.instance)];
    },
  },
};

const whole = (value, most) => Number.isInteger(value) && value >= 1 && value <= most;

const maxBody = 16 * 1024;

async function readJSON(request) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > maxBody) {
      throw new Problem(413, `the body is larger than ${maxBody} bytes`, { headers: { Connection: "close" } });
    }
    parts.push(part);
  }
  try {
    return JSON.parse(Buffer.concat(parts).toString("utf8"));
  } catch {
    throw new Problem(400, "the body is not JSON");
  }
}

function send(response, status, type, cache, body, headers = {}) {
  response.writeHead(status, { "Content-Type": type, "Content-Length": Buffer.byteLength(body), "Cache-Control": cache, ...headers });
  response.end(body);
}

async function answer(request, response) {
  const method = request.method === "HEAD" ? "GET" : request.method;
  const path = request.url.split("?", 1)[0];
  const page = pages.get(path);
  const methods = page ? ["GET"] : Object.keys(routes[path] ?? {});
  if (methods.length === 0) {
    throw new Problem(404, "there is nothing here");
  }
  if (!methods.includes(method)) {
    throw new Problem(405, `only ${methods.join(", ")} can be done here`, { headers: { Allow: methods.join(", ") } });
  }
  if (page) {
    send(response, 200, page.type, page.cache, page.body);
    return;
  }
  const [status, value] = await routes[path][method](request);
  send(response, status, "application/json", "no-store", JSON.stringify(value) + "\n");
}

// createShop makes the server, which its caller lets listen.
export function createShop() {
  return createServer(async (request, response) => {
    response.setHeader("X-Leeward-Instance", config.instance);
    if (config.image) response.setHeader("X-Leeward-Image", config.image);
    try {
      await answer(request, response);
    } catch (error) {
      const problem = error instanceof Problem ? error : new Problem(500, "something went wrong", { cause: error });
      if (problem.status >= 500) {
        log("error", problem.message, { path: request.url, status: problem.status, cause: problem.cause?.message || problem.cause?.code });
      }
      if (!response.headersSent) {
        send(response, problem.status, "application/problem+json", "no-store", JSON.stringify(problem.body()) + "\n", problem.headers);
      }
    }
  });
}

export function log(level, message, details) {
  console.log(JSON.stringify({ level, message, ...details }));
}

// close takes no new connections, lets the requests in hand be answered and then lets the databases go.
export function close(server) {
  setTimeout(() => process.exit(0), 2000).unref();
  server.close(async () => {
    await databases.close();
    process.exit(0);
  });
  server.closeIdleConnections();
}

export function onStop(stop) {
  for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, stop);
}
