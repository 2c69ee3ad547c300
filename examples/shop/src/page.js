// The shop's one page. Products are fetched by the browser, so the page itself needs no database.
export function page({ instance, region, variant }) {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>The lee shore shop</title>
<style>
  body { font: 1.05rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem; color: #15252f; background: #f6f8f9; }
  li { display: flex; justify-content: space-between; padding: .4rem 0; border-bottom: 1px solid #d5dde1; }
  ul { list-style: none; padding: 0; }
  footer { color: #566872; font-size: .85rem; }
</style>
</head>
<body>
<h1>The lee shore shop</h1>
<p id="state">Opening the shutters…</p>
<ul id="products"></ul>
<footer>Served from ${region} by variant ${variant}, instance ${instance}</footer>
<script type="module">
const state = document.getElementById("state");
try {
  const response = await fetch("/api/products");
  if (!response.ok) throw new Error("closed");
  for (const product of (await response.json()).products) {
    const item = document.createElement("li");
    const price = (product.price_cents / 100).toFixed(2) + " €";
    item.append(Object.assign(document.createElement("span"), { textContent: product.name }), Object.assign(document.createElement("span"), { textContent: price }));
    document.getElementById("products").append(item);
  }
  state.textContent = "Open, whatever the weather.";
} catch {
  state.textContent = "The shelves cannot be reached right now.";
}
</script>
</body>
</html>
`;
}
