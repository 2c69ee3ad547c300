import { useEffect, useState } from "react";
import { order, products } from "./api.js";

const price = new Intl.NumberFormat("en-IE", { style: "currency", currency: "EUR" });

export function Shop() {
  const [shelf, setShelf] = useState([]);
  const [servedBy, setServedBy] = useState("");
  const [notice, setNotice] = useState({ text: "Opening the shutters…" });

  // told shows what an answer says, and who gave it.
  function told(answer, text) {
    setServedBy(answer.servedBy);
    setNotice(answer.ok ? { text: text(answer.value) } : { text: answer.detail, bad: true });
  }

  useEffect(() => {
    products().then((answer) => {
      setShelf(answer.value?.products ?? []);
      told(answer, () => "Open, whatever the weather.");
    });
  }, []);

  async function buy(product) {
    setNotice({ text: `Ordering one ${product.name.toLowerCase()}…` });
    told(await order(product.id, 1), ({ order }) => `Order ${order} is stowed: one ${product.name.toLowerCase()}.`);
  }

  return (
    <main>
      <header>
        <img src="/lantern.svg" alt="" width="48" height="48" />
        <div>
          <h1>The lee shore shop</h1>
          <p>Gear for those who read the wind.</p>
        </div>
      </header>
      <p role="status" className={notice.bad ? "bad" : ""}>{notice.text}</p>
      <ul>
        {shelf.map((product) => (
          <li key={product.id}>
            <span>{product.name}</span>
            <span className="price">{price.format(product.price_cents / 100)}</span>
            <button onClick={() => buy(product)} aria-label={`Order ${product.name}`}>Order</button>
          </li>
        ))}
      </ul>
      <footer>{servedBy && <>Served by <code>{servedBy}</code></>}</footer>
    </main>
  );
}
