-- The shop's database. Every statement can run again.
REVOKE ALL ON DATABASE shop FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT CONNECT ON DATABASE shop TO shop, leeward_probe;
GRANT USAGE ON SCHEMA public TO shop, leeward_probe;

-- What the shop sells; the app reads it.
CREATE TABLE IF NOT EXISTS products (
  id          integer PRIMARY KEY,
  name        text    NOT NULL,
  price_cents integer NOT NULL CHECK (price_cents > 0)
);
INSERT INTO products VALUES
  (1, 'Storm lantern', 3900), (2, 'Oilskin coat', 12900), (3, 'Brass barometer', 8400),
  (4, 'Sea chart of the lee shore', 2600), (5, 'Ten fathoms of hemp line', 1750)
ON CONFLICT DO NOTHING;
GRANT SELECT ON products TO shop;

-- What was ordered; the app writes it.
CREATE TABLE IF NOT EXISTS orders (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  product_id integer     NOT NULL REFERENCES products,
  quantity   integer     NOT NULL CHECK (quantity BETWEEN 1 AND 100),
  instance   text        NOT NULL,
  at         timestamptz NOT NULL DEFAULT now()
);
GRANT INSERT, SELECT ON orders TO shop;

-- Where Leeward's probers write their heartbeats: one row per vantage, with the primary's time and a number that only
-- grows. How far a replica is behind is read from its copy of this table. They can do nothing else here.
CREATE TABLE IF NOT EXISTS leeward_heartbeat (
  vantage text        PRIMARY KEY,
  at      timestamptz NOT NULL,
  token   bigint      NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON leeward_heartbeat TO leeward_probe;
ALTER ROLE leeward_probe SET statement_timeout = '5s';
