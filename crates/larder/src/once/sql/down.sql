DROP TABLE IF EXISTS larder_idempotency;
