-- What was done once, by larder's `once`: a row in the transaction that did it.
CREATE TABLE larder_idempotency (
    name text PRIMARY KEY,
    request bytea NOT NULL,
    result bytea,
    expires_at timestamptz NOT NULL
);

CREATE INDEX larder_idempotency_expires_at ON larder_idempotency (expires_at);
