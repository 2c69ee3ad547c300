import { createRoot } from "react-dom/client";
import { Shop } from "./shop.jsx";
import "./shop.css";

createRoot(document.getElementById("shop")).render(<Shop />);
