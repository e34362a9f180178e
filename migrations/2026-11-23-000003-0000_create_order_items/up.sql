CREATE TABLE order_items (
    order_id uuid NOT NULL,
    line_number integer NOT NULL,
    sku text NOT NULL,
    quantity integer NOT NULL,
    unit_price numeric(10, 2) NOT NULL,
    CONSTRAINT order_items_pkey PRIMARY KEY (order_id, line_number),
    CONSTRAINT order_items_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE,
    CONSTRAINT order_items_quantity_check CHECK (quantity > 0),
    CONSTRAINT order_items_unit_price_check CHECK (unit_price >= 0)
);

COMMENT ON TABLE order_items IS 'The lines of an order.';
COMMENT ON COLUMN order_items.order_id IS 'Whose line it is. It goes when its order goes.';
COMMENT ON COLUMN order_items.line_number IS 'Counts the lines of one order.';
COMMENT ON COLUMN order_items.sku IS 'What was bought.';
COMMENT ON COLUMN order_items.quantity IS 'How many; at least one.';
COMMENT ON COLUMN order_items.unit_price IS 'The price of one, in whole cents; never negative.';
