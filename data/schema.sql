-- The sample shop. Read by perfkit.lab: the tables first, then (after the rows are in) keys, indexes, foreign keys.
-- Keep to one statement after another, each ended by a semicolon at the end of a line.

CREATE TABLE users (
    id bigint NOT NULL,
    email text NOT NULL,
    name text NOT NULL,
    country text NOT NULL,
    is_active boolean NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE products (
    id bigint NOT NULL,
    sku text NOT NULL,
    name text NOT NULL,
    category text NOT NULL,
    price_cents integer NOT NULL,
    manual bytea NOT NULL
);

CREATE TABLE posts (
    id bigint NOT NULL,
    author_id bigint NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE comments (
    id bigint NOT NULL,
    post_id bigint NOT NULL,
    author_id bigint NOT NULL,
    body text NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE orders (
    id bigint NOT NULL,
    user_id bigint NOT NULL,
    status text NOT NULL,
    total_cents bigint NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE order_items (
    id bigint NOT NULL,
    order_id bigint NOT NULL,
    product_id bigint NOT NULL,
    quantity integer NOT NULL,
    price_cents integer NOT NULL
);

CREATE TABLE events (
    id bigint NOT NULL,
    user_id bigint NOT NULL,
    kind smallint NOT NULL,
    latency_ms real NOT NULL,
    occurred_at timestamptz NOT NULL
);

-- Keys. Primary keys everywhere, and the indexes an ordinary team has.
ALTER TABLE users ADD PRIMARY KEY (id);
ALTER TABLE products ADD PRIMARY KEY (id);
ALTER TABLE posts ADD PRIMARY KEY (id);
ALTER TABLE comments ADD PRIMARY KEY (id);
ALTER TABLE orders ADD PRIMARY KEY (id);
ALTER TABLE order_items ADD PRIMARY KEY (id);
ALTER TABLE events ADD PRIMARY KEY (id);
CREATE UNIQUE INDEX users_email_key ON users (email);
CREATE UNIQUE INDEX products_sku_key ON products (sku);
CREATE INDEX posts_author_id_idx ON posts (author_id);
CREATE INDEX comments_post_id_idx ON comments (post_id);
CREATE INDEX order_items_order_id_idx ON order_items (order_id);

-- There is no index on orders (user_id, status) nor on events: that is what the notebooks find out.
ALTER TABLE posts ADD FOREIGN KEY (author_id) REFERENCES users (id);
ALTER TABLE comments ADD FOREIGN KEY (post_id) REFERENCES posts (id);
ALTER TABLE comments ADD FOREIGN KEY (author_id) REFERENCES users (id);
ALTER TABLE orders ADD FOREIGN KEY (user_id) REFERENCES users (id);
ALTER TABLE order_items ADD FOREIGN KEY (order_id) REFERENCES orders (id);
ALTER TABLE order_items ADD FOREIGN KEY (product_id) REFERENCES products (id);
ALTER TABLE events ADD FOREIGN KEY (user_id) REFERENCES users (id);
