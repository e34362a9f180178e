CREATE TABLE users (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    email text NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT users_pkey PRIMARY KEY (id),
    CONSTRAINT users_email_key UNIQUE (email)
);

COMMENT ON TABLE users IS 'People who buy.';
COMMENT ON COLUMN users.id IS 'Given by the database unless the insert brings one.';
COMMENT ON COLUMN users.email IS 'Unique as written: case counts.';
COMMENT ON COLUMN users.created_at IS 'When the account was opened.';
