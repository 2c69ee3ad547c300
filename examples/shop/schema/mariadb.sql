-- The shop's tables in MariaDB. Every statement can run again.
CREATE TABLE IF NOT EXISTS products (
  id          int          PRIMARY KEY,
  name        varchar(200) NOT NULL,
  price_cents int          NOT NULL CHECK (price_cents > 0)
);
INSERT IGNORE INTO products VALUES
  (1, 'Storm lantern', 3900), (2, 'Oilskin coat', 12900), (3, 'Brass barometer', 8400),
  (4, 'Sea chart of the lee shore', 2600), (5, 'Ten fathoms of hemp line', 1750);

CREATE TABLE IF NOT EXISTS orders (
  id         bigint       AUTO_INCREMENT PRIMARY KEY,
  product_id int          NOT NULL,
  quantity   int          NOT NULL CHECK (quantity BETWEEN 1 AND 100),
  instance   varchar(200) NOT NULL,
  at         datetime(3)  NOT NULL DEFAULT utc_timestamp(3),
  FOREIGN KEY (product_id) REFERENCES products (id)
);
