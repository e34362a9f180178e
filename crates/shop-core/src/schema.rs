// @generated automatically by Diesel CLI.

diesel::table! {
    /// What users sign in with. Beside users, so that no cache ever has it.
    credentials (user_id) {
        /// Whose it is. It goes when its user goes.
        user_id -> Uuid,
        /// Of the password, as a PHC string with its parameters.
        hash -> Text,
        /// When the password was set.
        changed_at -> Timestamptz,
    }
}

diesel::table! {
    /// The lines of an order.
    order_items (order_id, line_number) {
        /// Whose line it is. It goes when its order goes.
        order_id -> Uuid,
        /// Counts the lines of one order.
        line_number -> Int4,
        /// What was bought.
        sku -> Text,
        /// How many; at least one.
        quantity -> Int4,
        /// The price of one, in whole cents; never negative.
        unit_price -> Numeric,
    }
}

diesel::table! {
    /// What users bought.
    orders (id) {
        /// Given by the database unless the insert brings one.
        id -> Uuid,
        /// Whose order it is. It goes when its user goes.
        user_id -> Uuid,
        /// One of pending, paid, shipped.
        status -> Text,
        /// What the user pays for the whole order; never negative.
        total_amount -> Numeric,
        /// When the order was placed.
        created_at -> Timestamptz,
    }
}

diesel::table! {
    /// How often users were looked at.
    user_visits (user_id) {
        /// Whose row it is. It goes when its user goes.
        user_id -> Uuid,
        /// How often; what was counted in the last seconds may be missing.
        n -> Int8,
    }
}

diesel::table! {
    /// People who buy.
    users (id) {
        /// Given by the database unless the insert brings one.
        id -> Uuid,
        /// Unique as written: case counts.
        email -> Text,
        /// When the account was opened.
        created_at -> Timestamptz,
    }
}

diesel::joinable!(credentials -> users (user_id));
diesel::joinable!(order_items -> orders (order_id));
diesel::joinable!(orders -> users (user_id));
diesel::joinable!(user_visits -> users (user_id));

diesel::allow_tables_to_appear_in_same_query!(credentials, order_items, orders, user_visits, users,);
