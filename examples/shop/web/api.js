// What the page asks the back end. Every answer comes back as a value, errors too.
async function ask(path, options) {
  try {
    const response = await fetch(path, options);
    const servedBy = response.headers.get("X-Leeward-Instance") ?? "";
    const body = await response.json();
    return response.ok ? { ok: true, value: body, servedBy } : { ok: false, detail: `${body.title}: ${body.detail}.`, servedBy };
  } catch {
    return { ok: false, detail: "The shop cannot be reached right now.", servedBy: "" };
  }
}

export const products = () => ask("/api/products");

export const order = (product_id, quantity) =>
  ask("/api/orders", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ product_id, quantity }) });
