// A small shop: a page, a read and a write. Everything it needs to know comes from the environment, and it serves, as
// far as it can, without its database.
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { openDatabase } from "./database.js";
import { page } from "./page.js";
import { json, readJSON, Refusal, text } from "./http.js";

const host = process.env.HOST ?? "0.0.0.0";
const port = Number(process.env.PORT ?? 8080);
const region = process.env.LEEWARD_REGION ?? "local";
const variant = process.env.LEEWARD_VARIANT ?? "source";
// Told in every answer, so that whoever asks knows who answered.
const instance = `${region}/${variant}/${randomBytes(6).toString("hex")}`;

// The digest of the image this runs from, where the platform says so.
const image = process.env.LEEWARD_IMAGE ?? "";

const database = openDatabase(process.env.DATABASE_URL);

const routes = {
  "GET /": async (_request, response) => text(response, 200, "text/html; charset=utf-8", page({ instance, region, variant })),
  // Alive without the database: a restart would not mend it.
  "GET /healthz": async (_request, response) => json(response, 200, { status: "ok", database: database.state(), instance }),
  "GET /api/products": async (_request, response) => json(response, 200, { products: await database.products() }),
  "POST /api/orders": async (request, response) => {
    const order = await readJSON(request);
    if (!Number.isInteger(order?.product_id) || !Number.isInteger(order?.quantity) || order.quantity < 1 || order.quantity > 100) {
      throw new Refusal(422, "product_id and quantity (1 to 100) must be whole numbers");
    }
    json(response, 201, await database.order(order.product_id, order.quantity, instance));
  },
};

const server = createServer(async (request, response) => {
  response.setHeader("X-Leeward-Instance", instance);
  if (image) response.setHeader("X-Leeward-Image", image);
  const method = request.method === "HEAD" ? "GET" : request.method;
  const path = request.url.split("?", 1)[0];
  try {
    const route = routes[`${method} ${path}`];
    if (!route) {
      throw new Refusal(404, "there is nothing here");
    }
    await route(request, response);
  } catch (error) {
    const status = error instanceof Refusal ? error.status : 500;
    if (status >= 500) {
      console.error(JSON.stringify({ level: "error", path, status, error: error.message, cause: error.cause?.message }));
    }
    json(response, status, { error: error instanceof Refusal ? error.message : "something went wrong" });
  }
});

server.listen(port, host, () => {
  console.log(JSON.stringify({ level: "info", message: "shop open", host, port, instance }));
});

// Told to stop: no new connections, the requests in hand are answered, then the database is let go.
for (const signal of ["SIGTERM", "SIGINT"]) {
  process.once(signal, () => {
    server.close(async () => {
      await database.close();
      process.exit(0);
    });
    server.closeIdleConnections();
    setTimeout(() => process.exit(0), 2000).unref();
  });
}
