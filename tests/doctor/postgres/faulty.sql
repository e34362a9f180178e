CREATE COLLATION lenient (provider = icu, locale = 'und-u-ks-level2', deterministic = false);

CREATE TABLE accounts (
    id bigint NOT NULL,
    email text NOT NULL,
    nickname text NOT NULL,
    code text NOT NULL UNIQUE DEFERRABLE,
    handle text COLLATE lenient NOT NULL UNIQUE,
    age integer NOT NULL,
    seen_at timestamp NOT NULL,
    note text,
    bio text NOT NULL,
    region text NOT NULL
);
CREATE UNIQUE INDEX accounts_email ON accounts (email) WHERE age > 18;
CREATE INDEX accounts_nickname ON accounts (nickname);

CREATE TABLE ledgers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);

CREATE TABLE shops (id integer PRIMARY KEY);

CREATE TABLE payments (
    id serial PRIMARY KEY,
    shop_id integer NOT NULL,
    status text NOT NULL,
    kind text NOT NULL,
    region text NOT NULL,
    desk integer NOT NULL,
    batch integer NOT NULL,
    label text NOT NULL,
    amount bigint NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX payments_created_at_status ON payments (created_at, status);
CREATE INDEX payments_kind ON payments (kind);
CREATE INDEX payments_kind_again ON payments (kind);
CREATE INDEX payments_region_again ON payments (region);
CREATE INDEX payments_region_amount ON payments (region, amount);
CREATE INDEX payments_batch ON payments (batch) WHERE batch > 0;
CREATE INDEX payments_label ON payments (lower(label));
CREATE INDEX payments_label_c ON payments (label COLLATE "POSIX");
CREATE INDEX payments_amount ON payments (amount);

INSERT INTO shops SELECT generate_series(1, 10);
INSERT INTO payments (shop_id, status, kind, region, desk, batch, label, amount, created_at)
SELECT n % 10 + 1, n % 4, n % 3, n % 2, n % 50, n, n, n, '2020-01-01'::timestamptz + n * interval '1 minute'
FROM generate_series(1, 6000) AS n;
SELECT setval('payments_id_seq', 2100000000);

ALTER TABLE payments ADD CONSTRAINT payments_shop_id_fkey FOREIGN KEY (shop_id) REFERENCES shops ON DELETE CASCADE NOT VALID;
ALTER TABLE payments ADD CONSTRAINT payments_amount_check CHECK (amount > 0) NOT VALID;

CREATE TABLE refunds (id bigint PRIMARY KEY, payment_id integer REFERENCES payments);
ANALYZE;
