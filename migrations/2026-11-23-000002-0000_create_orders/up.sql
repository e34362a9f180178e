CREATE TABLE orders (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    user_id uuid NOT NULL,
    status text NOT NULL,
    total_amount numeric(10, 2) NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT orders_pkey PRIMARY KEY (id),
    CONSTRAINT orders_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT orders_status_check CHECK (status IN ('pending', 'paid', 'shipped')),
    CONSTRAINT orders_total_amount_check CHECK (total_amount >= 0)
);

-- A user has few orders, so this index serves every list of one user's orders, whatever else it filters or sorts by;
-- a wider one (user_id, status, created_at) would be one more index to write on every change of a status.
CREATE INDEX orders_user_id_idx ON orders (user_id);

CREATE INDEX orders_status_idx ON orders (status);

COMMENT ON TABLE orders IS 'What users bought.';
COMMENT ON COLUMN orders.id IS 'Given by the database unless the insert brings one.';
COMMENT ON COLUMN orders.user_id IS 'Whose order it is. It goes when its user goes.';
COMMENT ON COLUMN orders.status IS 'One of pending, paid, shipped.';
COMMENT ON COLUMN orders.total_amount IS 'What the user pays for the whole order; never negative.';
COMMENT ON COLUMN orders.created_at IS 'When the order was placed.';
