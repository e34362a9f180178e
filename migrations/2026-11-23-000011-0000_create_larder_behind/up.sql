CREATE TABLE larder_behind (
    producer text,
    buffer text NOT NULL,
    applied bigint DEFAULT 0 NOT NULL,
    direct bigint[] DEFAULT '{}' NOT NULL,
    n_held integer DEFAULT 0 NOT NULL,
    at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT larder_behind_pkey PRIMARY KEY (producer)
) WITH (
    -- A few rows that are changed again and again: with room beside them, no index is.
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
);

CREATE TABLE larder_behind_held (
    producer text,
    number bigint,
    cell bytea,
    CONSTRAINT larder_behind_held_pkey PRIMARY KEY (producer, number, cell)
);

CREATE TABLE larder_behind_dead (
    id bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz DEFAULT clock_timestamp() NOT NULL,
    buffer text NOT NULL,
    model text,
    cell text,
    n_calls bigint NOT NULL,
    reason text NOT NULL,
    change bytea NOT NULL,
    CONSTRAINT larder_behind_dead_pkey PRIMARY KEY (id)
);

-- An entry that can't be read has no number by which it would be known when it is read again.
CREATE UNIQUE INDEX larder_behind_dead_unread_key ON larder_behind_dead (buffer, sha256(change)) WHERE model IS NULL;

COMMENT ON TABLE larder_behind IS 'How far the changes of each producer that waited in a buffer are written.';
COMMENT ON COLUMN larder_behind.producer IS 'One life of one handle.';
COMMENT ON COLUMN larder_behind.buffer IS 'The name of the buffer.';
COMMENT ON COLUMN larder_behind.applied IS
    'All of its frames up to this number are written but for what is held, in the transaction that said so here.';
COMMENT ON COLUMN larder_behind.direct IS 'Later ones that were written past the buffer: the first and the last of each run of them.';
COMMENT ON COLUMN larder_behind.n_held IS 'How many changes of its frames are held.';
COMMENT ON COLUMN larder_behind.at IS 'When this was last so.';
COMMENT ON TABLE larder_behind_held IS 'Changes that can not be written yet while later ones are: they are still in the buffer.';
COMMENT ON COLUMN larder_behind_held.producer IS 'Whose.';
COMMENT ON COLUMN larder_behind_held.number IS 'The number of the frame.';
COMMENT ON COLUMN larder_behind_held.cell IS 'The key of the cell of the row that is to be changed.';
COMMENT ON TABLE larder_behind_dead IS 'Changes that waited in a buffer and that the database has rejected.';
COMMENT ON COLUMN larder_behind_dead.buffer IS 'The name of the buffer.';
COMMENT ON COLUMN larder_behind_dead.model IS 'The model, as its cells are called; NULL if that could not be read.';
COMMENT ON COLUMN larder_behind_dead.cell IS 'The key of the cell of the row that was to be changed.';
COMMENT ON COLUMN larder_behind_dead.n_calls IS 'How many calls the change came from.';
COMMENT ON COLUMN larder_behind_dead.reason IS 'What the database said.';
COMMENT ON COLUMN larder_behind_dead.change IS 'The change, for larder to read.';
