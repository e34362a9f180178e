CREATE TABLE accounts (
    id bigint PRIMARY KEY,
    email text NOT NULL,
    nickname varchar(80) NOT NULL UNIQUE,
    code text NOT NULL UNIQUE,
    handle text NOT NULL UNIQUE,
    age bigint NOT NULL,
    seen_at timestamptz NOT NULL,
    note text NOT NULL,
    bio text,
    lost text,
    region text DEFAULT '' NOT NULL
);
-- No constraint, and as good.
CREATE UNIQUE INDEX accounts_email ON accounts (email);

CREATE TABLE ledgers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);

CREATE TABLE shops (id integer PRIMARY KEY);

CREATE TABLE payments (
    id serial PRIMARY KEY,
    shop_id integer NOT NULL REFERENCES shops ON DELETE CASCADE,
    status text NOT NULL,
    kind text NOT NULL,
    region text NOT NULL,
    desk integer NOT NULL,
    batch integer NOT NULL,
    label text NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    created_at timestamptz NOT NULL
);
CREATE INDEX payments_shop_id ON payments (shop_id);
CREATE INDEX payments_status ON payments (status, id);
-- Read backwards.
CREATE INDEX payments_kind ON payments (kind, created_at);
-- The columns that are searched for may stand in any order.
CREATE INDEX payments_desk_region ON payments (desk, region);
-- Every row that is looked for is in it.
CREATE INDEX payments_batch ON payments (batch) WHERE batch IS NOT NULL;
CREATE INDEX payments_label ON payments USING hash (label);

INSERT INTO shops SELECT generate_series(1, 10);
INSERT INTO payments (shop_id, status, kind, region, desk, batch, label, amount, created_at)
SELECT n % 10 + 1, n % 4, n % 3, n % 2, n % 50, n, n, n, '2020-01-01'::timestamptz + n * interval '1 minute'
FROM generate_series(1, 6000) AS n;

CREATE TABLE refunds (id bigint PRIMARY KEY, payment_id integer REFERENCES payments);
CREATE INDEX refunds_payment_id ON refunds (payment_id) WHERE payment_id IS NOT NULL;
ANALYZE;
