-- In a table of their own: a visit is no news of the user, whose copies in caches stay.
CREATE TABLE user_visits (
    user_id uuid NOT NULL,
    n bigint DEFAULT 0 NOT NULL,
    CONSTRAINT user_visits_pkey PRIMARY KEY (user_id),
    CONSTRAINT user_visits_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) WITH (
    -- Counted up again and again: with room beside them, rows are changed without touching the index.
    fillfactor = 50
);

-- What is counted behind has to have a row. Whoever adds users, be it past the service and without rights on this table, gives them one.
CREATE FUNCTION create_user_visits() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('INSERT INTO %I.user_visits (user_id) SELECT id FROM added', TG_TABLE_SCHEMA);
    RETURN NULL;
END
$$;

CREATE TRIGGER create_user_visits AFTER INSERT ON users
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION create_user_visits();

-- After the trigger, which has waited for the inserts under way: no user is left out.
INSERT INTO user_visits (user_id) SELECT id FROM users;

COMMENT ON TABLE user_visits IS 'How often users were looked at.';
COMMENT ON COLUMN user_visits.user_id IS 'Whose row it is. It goes when its user goes.';
COMMENT ON COLUMN user_visits.n IS 'How often; what was counted in the last seconds may be missing.';
