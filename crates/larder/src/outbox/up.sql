CREATE TABLE larder_outbox (
    id bigint GENERATED ALWAYS AS IDENTITY,
    noted_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    cells bytea[],
    model text,
    rows jsonb,
    CONSTRAINT larder_outbox_pkey PRIMARY KEY (id),
    CONSTRAINT larder_outbox_kind CHECK ((cells IS NULL) <> (model IS NULL)),
    CONSTRAINT larder_outbox_cells_check CHECK (array_ndims(cells) = 1)
) WITH (
    -- Rows come and go: what they leave behind is cleared by its number, not by the share that it is of a table that is mostly empty.
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0,
    toast.autovacuum_vacuum_scale_factor = 0,
    toast.autovacuum_vacuum_threshold = 1000,
    toast.autovacuum_vacuum_cost_delay = 0
);

-- Transactions that notify commit one after the other, in the whole cluster, so this must be rare. Where a row waits already the relay
-- is awake, or the store is away; and what larder itself writes here it writes because the store is away.
-- Whoever adds a row may have another search_path, and no right to read here.
CREATE FUNCTION larder_outbox_wake() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    is_first boolean;
BEGIN
    EXECUTE format('SELECT NOT EXISTS (SELECT FROM %I.%I WHERE id < $1)', TG_TABLE_SCHEMA, TG_TABLE_NAME)
        INTO is_first USING NEW.id;
    IF is_first THEN
        PERFORM pg_notify('larder_outbox', '');
    END IF;
    RETURN NULL;
END
$$;

-- It runs with its owner's rights, so nobody may hang it on a table of his own.
REVOKE ALL ON FUNCTION larder_outbox_wake() FROM PUBLIC;

CREATE TRIGGER larder_outbox_wake AFTER INSERT ON larder_outbox
    FOR EACH ROW WHEN (NEW.model IS NOT NULL) EXECUTE FUNCTION larder_outbox_wake();

COMMENT ON TABLE larder_outbox IS 'Changes of which the shared cache does not know yet; the relay empties it.';
COMMENT ON COLUMN larder_outbox.id IS 'Counts the entries, in about the order of their transactions.';
COMMENT ON COLUMN larder_outbox.noted_at IS 'When the change was noted, a little before its transaction committed.';
COMMENT ON COLUMN larder_outbox.cells IS 'The keys of cells, written by larder.';
COMMENT ON COLUMN larder_outbox.model IS 'Or a model, as its cells are called, of which rows were changed past larder.';
COMMENT ON COLUMN larder_outbox.rows IS 'The key columns of those rows, old and new, an array of objects; NULL is any row.';
