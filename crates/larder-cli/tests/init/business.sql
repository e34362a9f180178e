-- Fifty tables and more, as they grow in a business over the years: no two of them by one hand.
CREATE EXTENSION IF NOT EXISTS citext;
CREATE SCHEMA crm;

CREATE TYPE order_status AS ENUM ('pending', 'paid', 'in-transit', 'in transit', 'delivered', 'it''s lost');
CREATE TYPE priority AS ENUM ('low', 'normal', 'high');
CREATE TYPE crm.stage AS ENUM ('lead', 'won', 'lost');
CREATE DOMAIN email_address AS varchar(320) CHECK (VALUE LIKE '%@%');

-- People and accounts.
CREATE TABLE users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email email_address NOT NULL UNIQUE,
    name varchar(80) NOT NULL,
    nickname text UNIQUE,
    manager_id uuid REFERENCES users ON DELETE SET NULL,
    is_admin boolean NOT NULL DEFAULT false,
    settings jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE users IS 'People who sign in.
See [the handbook] for <roles>.';
COMMENT ON COLUMN users.email IS 'Unique as written.';
CREATE TABLE profiles (
    user_id uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    bio text,
    birthday date,
    height real,
    "type" text NOT NULL DEFAULT 'person'
);
CREATE TABLE credentials (
    id bigserial PRIMARY KEY,
    user_id uuid NOT NULL UNIQUE REFERENCES users ON DELETE CASCADE,
    hash bytea NOT NULL
);
CREATE TABLE sessions (
    token text PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    address inet,
    network cidr,
    device macaddr,
    expires_at timestamp NOT NULL
);
CREATE INDEX ON sessions (expires_at);
CREATE INDEX ON sessions (address);
CREATE TABLE roles (id smallint PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE user_roles (
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    role_id smallint NOT NULL REFERENCES roles ON DELETE CASCADE,
    granted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, role_id)
);
CREATE TABLE follows (
    follower_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    followee_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    PRIMARY KEY (follower_id, followee_id)
);
CREATE TABLE messages (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sender_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    recipient_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    body text NOT NULL,
    sent_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON messages (recipient_id, sent_at DESC);
CREATE TABLE options (id serial PRIMARY KEY, "key" text NOT NULL UNIQUE, value text);
CREATE TABLE results (id serial PRIMARY KEY, "table" text NOT NULL, "order" integer NOT NULL, head integer);
CREATE INDEX ON results ("order");
CREATE TABLE repositories (id serial PRIMARY KEY, "self" text NOT NULL, "match" text, "2nd" integer, repositories text);

-- Catalogue.
CREATE TABLE countries (code char(2) PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE currencies (code text PRIMARY KEY, digits smallint NOT NULL DEFAULT 2);
CREATE TABLE categories (
    id serial PRIMARY KEY,
    parent_id integer REFERENCES categories ON DELETE CASCADE,
    slug text NOT NULL,
    title text NOT NULL,
    UNIQUE (parent_id, slug)
);
CREATE TABLE brands (id serial PRIMARY KEY, name citext NOT NULL UNIQUE, country_code char(2) REFERENCES countries);
CREATE TABLE products (
    id bigserial PRIMARY KEY,
    brand_id integer REFERENCES brands ON DELETE SET NULL,
    category_id integer NOT NULL REFERENCES categories,
    sku text NOT NULL UNIQUE,
    title text NOT NULL,
    price numeric(10, 2) NOT NULL,
    weight double precision,
    labels text[] NOT NULL DEFAULT '{}',
    codes varchar(8)[],
    search tsvector GENERATED ALWAYS AS (to_tsvector('english', title)) STORED,
    gross numeric(10, 2) GENERATED ALWAYS AS (price * 1.19) STORED,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON products (category_id, price);
CREATE INDEX ON products (brand_id, created_at DESC);
CREATE INDEX ON products (brand_id, price);
CREATE INDEX ON products (lower(title));
CREATE INDEX ON products (title) WHERE brand_id IS NULL;
CREATE INDEX ON products USING gin (search);
CREATE INDEX ON products USING hash (title);
CREATE TABLE product_images (
    product_id bigint NOT NULL REFERENCES products ON DELETE CASCADE,
    position smallint NOT NULL,
    url text NOT NULL,
    PRIMARY KEY (product_id, position)
);
CREATE TABLE image_captions (
    product_id bigint NOT NULL,
    position smallint NOT NULL,
    language text NOT NULL,
    caption text NOT NULL,
    PRIMARY KEY (product_id, position, language),
    FOREIGN KEY (product_id, position) REFERENCES product_images ON DELETE CASCADE
);
CREATE TABLE tags (id serial PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE product_tags (
    product_id bigint REFERENCES products ON DELETE CASCADE,
    tag_id integer REFERENCES tags ON DELETE CASCADE,
    PRIMARY KEY (product_id, tag_id)
);
CREATE INDEX ON product_tags (tag_id);
CREATE TABLE prices (
    product_id bigint NOT NULL REFERENCES products ON DELETE CASCADE,
    currency_code text NOT NULL REFERENCES currencies,
    valid_from date NOT NULL,
    amount numeric(12, 4) NOT NULL,
    PRIMARY KEY (product_id, currency_code, valid_from)
);
CREATE TABLE reviews (
    id bigserial PRIMARY KEY,
    product_id bigint NOT NULL REFERENCES products ON DELETE CASCADE,
    author_id uuid REFERENCES users ON DELETE SET NULL,
    moderator_id uuid REFERENCES users ON DELETE SET NULL,
    stars smallint NOT NULL,
    body text,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (product_id, author_id)
);
CREATE INDEX ON reviews (product_id, stars, created_at DESC);

-- Orders and billing.
CREATE TABLE carts (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid UNIQUE REFERENCES users ON DELETE CASCADE);
CREATE TABLE cart_items (
    cart_id uuid REFERENCES carts ON DELETE CASCADE,
    product_id bigint REFERENCES products ON DELETE CASCADE,
    quantity integer NOT NULL DEFAULT 1,
    PRIMARY KEY (cart_id, product_id)
);
CREATE TABLE addresses (
    id serial PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    street text NOT NULL,
    country_code char(2) NOT NULL REFERENCES countries
);
CREATE TABLE orders (
    id bigserial PRIMARY KEY,
    number text NOT NULL,
    user_id uuid NOT NULL REFERENCES users,
    billing_address_id integer REFERENCES addresses ON DELETE SET NULL,
    shipping_address_id integer REFERENCES addresses ON DELETE SET NULL,
    status order_status NOT NULL DEFAULT 'pending',
    history order_status[] NOT NULL DEFAULT '{}',
    total numeric(10, 2) NOT NULL,
    note xml,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT orders_number UNIQUE (number) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX ON orders (user_id, status, created_at DESC);
CREATE INDEX ON orders (status);
CREATE INDEX ON orders (created_at);
CREATE TABLE order_lines (
    order_id bigint REFERENCES orders ON DELETE CASCADE,
    line_number smallint,
    product_id bigint NOT NULL REFERENCES products,
    quantity integer NOT NULL,
    unit_price numeric(10, 2) NOT NULL,
    PRIMARY KEY (order_id, line_number)
);
CREATE TABLE line_discounts (
    id serial PRIMARY KEY,
    order_id bigint NOT NULL,
    line_number smallint NOT NULL,
    percent numeric(5, 2) NOT NULL,
    FOREIGN KEY (line_number, order_id) REFERENCES order_lines (line_number, order_id) ON DELETE CASCADE
);
CREATE TABLE order_events (
    id bigserial PRIMARY KEY,
    order_id bigint NOT NULL REFERENCES orders ON DELETE CASCADE,
    status order_status NOT NULL,
    happened_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON order_events (order_id, happened_at);
CREATE TABLE invoices (
    id bigserial PRIMARY KEY,
    order_id bigint NOT NULL UNIQUE REFERENCES orders,
    due date NOT NULL,
    paid_at timestamptz,
    amount numeric(10, 2) NOT NULL
);
CREATE INDEX ON invoices (due);
CREATE TABLE payments (
    id uuid PRIMARY KEY,
    invoice_id bigint NOT NULL REFERENCES invoices ON DELETE CASCADE,
    currency_code text NOT NULL REFERENCES currencies,
    amount money,
    rate numeric NOT NULL DEFAULT 1,
    took interval,
    at time NOT NULL DEFAULT '00:00'
);
CREATE TABLE coupons (
    code text PRIMARY KEY,
    percent smallint NOT NULL,
    valid daterange,
    "limit" integer,
    pieces int4range,
    numbers int8range,
    amounts numrange,
    at tsrange,
    during tstzrange NOT NULL DEFAULT '(,)',
    pauses tstzmultirange
);
CREATE TABLE order_coupons (
    order_id bigint REFERENCES orders ON DELETE CASCADE,
    coupon_code text REFERENCES coupons ON UPDATE CASCADE,
    PRIMARY KEY (order_id, coupon_code)
);
CREATE TABLE subscriptions (
    id bigserial PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    product_id bigint NOT NULL REFERENCES products,
    starts date NOT NULL,
    ends date,
    UNIQUE (user_id, product_id, starts)
);

-- Inventory.
CREATE TABLE warehouses (id smallint PRIMARY KEY, code text NOT NULL UNIQUE, location point);
CREATE TABLE shelves (warehouse_id smallint REFERENCES warehouses, label text, PRIMARY KEY (warehouse_id, label));
CREATE TABLE stock (
    warehouse_id smallint,
    label text,
    product_id bigint REFERENCES products ON DELETE CASCADE,
    quantity integer NOT NULL CHECK (quantity >= 0),
    PRIMARY KEY (product_id, warehouse_id, label),
    FOREIGN KEY (warehouse_id, label) REFERENCES shelves
);
CREATE TABLE stock_movements (
    id bigserial,
    warehouse_id smallint NOT NULL REFERENCES warehouses,
    product_id bigint NOT NULL REFERENCES products,
    change integer NOT NULL,
    moved_at timestamptz NOT NULL,
    PRIMARY KEY (id, moved_at)
) PARTITION BY RANGE (moved_at);
CREATE TABLE stock_movements_2024 PARTITION OF stock_movements FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE stock_movements_rest PARTITION OF stock_movements DEFAULT;
CREATE INDEX ON stock_movements (product_id, moved_at DESC);
CREATE TABLE suppliers (id serial PRIMARY KEY, name text NOT NULL, vat text UNIQUE);
CREATE TABLE purchases (
    id serial PRIMARY KEY,
    supplier_id integer NOT NULL REFERENCES suppliers,
    supplier_vat text REFERENCES suppliers (vat) ON DELETE CASCADE,
    ordered_on date NOT NULL
);
CREATE TABLE purchase_lines (
    purchase_id bigint NOT NULL REFERENCES purchases,
    product_id bigint NOT NULL REFERENCES products,
    quantity integer NOT NULL,
    PRIMARY KEY (purchase_id, product_id)
);

-- Blog.
CREATE TABLE posts (
    id bigserial PRIMARY KEY,
    author_id uuid NOT NULL REFERENCES users,
    created_by uuid REFERENCES users,
    slug text NOT NULL UNIQUE,
    title text NOT NULL,
    body text NOT NULL,
    published_at timestamptz
);
CREATE INDEX ON posts (author_id, published_at DESC NULLS LAST, id DESC);
CREATE TABLE comments (
    id bigserial PRIMARY KEY,
    post_id bigint NOT NULL REFERENCES posts ON DELETE CASCADE,
    parent_id bigint REFERENCES comments ON DELETE CASCADE,
    author_id uuid REFERENCES users ON DELETE SET NULL,
    body text NOT NULL
);
CREATE TABLE post_tags (
    post_id bigint REFERENCES posts ON DELETE CASCADE,
    tag_id integer REFERENCES tags ON DELETE CASCADE,
    PRIMARY KEY (post_id, tag_id)
);

-- Work.
CREATE TABLE people (id serial PRIMARY KEY, name text NOT NULL);
CREATE TABLE tickets (
    id serial PRIMARY KEY,
    reporter_id integer NOT NULL REFERENCES people,
    assignee_id integer REFERENCES people ON DELETE SET NULL,
    priority priority NOT NULL DEFAULT 'normal',
    a text NOT NULL,
    b text NOT NULL,
    a_and_b text NOT NULL,
    UNIQUE (a, b),
    UNIQUE (a_and_b)
);
CREATE TABLE ticket_links (
    from_id integer REFERENCES tickets ON DELETE CASCADE,
    to_id integer REFERENCES tickets ON DELETE CASCADE,
    kind text NOT NULL DEFAULT 'relates',
    PRIMARY KEY (from_id, to_id)
);
CREATE TABLE audit_log (happened_at timestamptz NOT NULL, what text NOT NULL);
CREATE TABLE five_keys (a int, b int, c int, d int, e int, PRIMARY KEY (a, b, c, d, e));
CREATE TABLE synonyms (word citext PRIMARY KEY, means text NOT NULL);
CREATE TABLE places (id serial PRIMARY KEY, at point NOT NULL, name text NOT NULL);
CREATE TABLE counters (name text PRIMARY KEY, n bigint NOT NULL DEFAULT 0, seen_at timestamptz);
CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE counters SET seen_at = now() WHERE name = NEW.name;
    RETURN NULL;
END $$;
CREATE TRIGGER seen AFTER INSERT OR UPDATE OF n ON counters FOR EACH ROW EXECUTE FUNCTION see();
CREATE TABLE larder_behind_dead (id bigserial PRIMARY KEY);
CREATE TABLE __diesel_schema_migrations (version text PRIMARY KEY, run_on timestamp NOT NULL DEFAULT now());

-- Another schema, by another team.
CREATE TABLE crm.contacts (
    id serial PRIMARY KEY,
    user_id uuid REFERENCES users ON DELETE SET NULL,
    stage crm.stage NOT NULL DEFAULT 'lead',
    "fullName" text NOT NULL
);
CREATE INDEX ON crm.contacts (stage);
CREATE TABLE crm.notes (
    id serial PRIMARY KEY,
    contact_id integer NOT NULL REFERENCES crm.contacts ON DELETE CASCADE,
    text text NOT NULL
);
CREATE TABLE crm.tags (id serial PRIMARY KEY, label text NOT NULL UNIQUE);

CREATE VIEW grown_ups AS SELECT * FROM profiles WHERE birthday < now() - interval '18 years';
CREATE MATERIALIZED VIEW user_stats AS
    SELECT u.id AS user_id, count(o.id) AS n_orders, coalesce(sum(o.total), 0) AS spent
    FROM users u LEFT JOIN orders o ON o.user_id = u.id GROUP BY u.id;
CREATE UNIQUE INDEX ON user_stats (user_id);
CREATE MATERIALIZED VIEW totals AS SELECT count(*) AS n FROM orders;
