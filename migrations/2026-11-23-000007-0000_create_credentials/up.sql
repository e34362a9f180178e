CREATE TABLE credentials (
    user_id uuid NOT NULL,
    hash text NOT NULL,
    changed_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT credentials_pkey PRIMARY KEY (user_id),
    CONSTRAINT credentials_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);

COMMENT ON TABLE credentials IS 'What users sign in with. Beside users, so that no cache ever has it.';
COMMENT ON COLUMN credentials.user_id IS 'Whose it is. It goes when its user goes.';
COMMENT ON COLUMN credentials.hash IS 'Of the password, as a PHC string with its parameters.';
COMMENT ON COLUMN credentials.changed_at IS 'When the password was set.';
