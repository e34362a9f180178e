DROP TABLE larder_outbox;
DROP FUNCTION larder_outbox_wake();
