import pg from "pg";
import { Refusal } from "./http.js";

const foreignKeyViolation = "23503";

// openDatabase returns at once; connections are made when they are needed, and made again when they were lost.
export function openDatabase(url) {
  if (!url) {
    const absent = async () => {
      throw new Refusal(503, "no database is configured");
    };
    return { products: absent, order: absent, state: () => "none", close: async () => {} };
  }
  const pool = new pg.Pool({
    connectionString: url,
    max: 6,
    connectionTimeoutMillis: 2000,
    query_timeout: 2000,
    idleTimeoutMillis: 30000,
    keepAlive: true,
  });
  let state = "unknown";
  // A connection that breaks while nobody uses it would otherwise end the process.
  pool.on("error", () => {
    state = "down";
  });

  async function query(statement, values) {
    try {
      const result = await pool.query(statement, values);
      state = "up";
      return result.rows;
    } catch (error) {
      if (error.code === foreignKeyViolation) {
        throw new Refusal(422, "there is no such product");
      }
      state = "down";
      throw new Refusal(503, "the database does not answer", { cause: error });
    }
  }

  return {
    products: () => query("SELECT id, name, price_cents FROM products ORDER BY id"),
    order: async (product, quantity, instance) => {
      const rows = await query("INSERT INTO orders (product_id, quantity, instance) VALUES ($1, $2, $3) RETURNING id, at", [product, quantity, instance]);
      return { order: Number(rows[0].id), at: rows[0].at };
    },
    state: () => state,
    close: () => pool.end(),
  };
}
