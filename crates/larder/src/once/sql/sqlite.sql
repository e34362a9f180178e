-- What was done once, by larder's `once`: a row in the transaction that did it. It expires at a second since 1970.
CREATE TABLE larder_idempotency (
    name TEXT PRIMARY KEY NOT NULL,
    request BLOB NOT NULL,
    result BLOB,
    expires_at INTEGER NOT NULL
);

CREATE INDEX larder_idempotency_expires_at ON larder_idempotency (expires_at);
