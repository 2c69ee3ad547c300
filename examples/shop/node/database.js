// The shop's two statements, on PostgreSQL or MariaDB as the connection string says.
import mysql from "mysql2/promise";
import pg from "pg";
import { Problem } from "./problem.js";

const timeout = 2000;
const connections = 6;

// openDatabases returns at once; connections are made when they are needed, and made again when they were lost.
export function openDatabases({ primary, replica }) {
  const write = openDatabase(primary);
  const read = replica === primary ? write : openDatabase(replica);
  return {
    products: () => read.query("SELECT id, name, price_cents FROM products ORDER BY id"),
    order: async (product, quantity, instance) => {
      const rows = await write.query("INSERT INTO orders (product_id, quantity, instance) VALUES (?, ?, ?) RETURNING id, at", [product, quantity, instance]);
      return { order: Number(rows[0].id), at: rows[0].at };
    },
    // What was last seen of them.
    state: () => ({ read: read.state, write: write.state }),
    close: () => Promise.all([write.close(), read === write || read.close()]),
  };
}

function openDatabase(url) {
  if (!url) {
    return {
      state: "none",
      query: async () => {
        throw new Problem(503, "no database is configured");
      },
      close: async () => {},
    };
  }
  const engine = /^(mysql|mariadb):/.test(url) ? mariadb(url) : postgres(url);
  const database = {
    state: "unknown",
    query: async (statement, values) => {
      try {
        const rows = await engine.query(statement, values);
        database.state = "up";
        return rows;
      } catch (error) {
        if (engine.unknownProduct(error)) {
          throw new Problem(422, "there is no such product");
        }
        database.state = "down";
        throw new Problem(503, "the database does not answer", { cause: error });
      }
    },
    close: engine.close,
  };
  // A connection that breaks while nobody uses it would otherwise end the process.
  engine.onIdleError(() => {
    database.state = "down";
  });
  return database;
}

function postgres(url) {
  const pool = new pg.Pool({
    connectionString: url,
    max: connections,
    connectionTimeoutMillis: timeout,
    query_timeout: timeout,
    idleTimeoutMillis: 30000,
    keepAlive: true,
  });
  return {
    query: async (statement, values) => {
      let n = 0;
      const numbered = statement.replace(/\?/g, () => `$${++n}`);
      return (await pool.query(numbered, values)).rows;
    },
    unknownProduct: (error) => error.code === "23503", // foreign_key_violation
    onIdleError: (listener) => pool.on("error", listener),
    close: () => pool.end(),
  };
}

function mariadb(url) {
  const pool = mysql.createPool({
    uri: url.replace(/^mariadb:/, "mysql:"),
    connectionLimit: connections,
    connectTimeout: timeout,
    idleTimeout: 30000,
    enableKeepAlive: true,
    timezone: "Z",
  });
  return {
    query: async (sql, values) => (await pool.query({ sql, values, timeout }))[0],
    unknownProduct: (error) => error.errno === 1452, // ER_NO_REFERENCED_ROW_2
    onIdleError: () => {}, // the pool drops such a connection by itself
    close: () => pool.end(),
  };
}
