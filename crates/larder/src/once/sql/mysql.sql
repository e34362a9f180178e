-- What was done once, by larder's `once`: a row in the transaction that did it. Names are compared byte by byte.
CREATE TABLE larder_idempotency (
    name VARBINARY(255) PRIMARY KEY,
    request BINARY(32) NOT NULL,
    result LONGBLOB,
    expires_at DATETIME(6) NOT NULL,
    INDEX larder_idempotency_expires_at (expires_at)
) ENGINE = InnoDB;
