//! The materialized views as Diesel knows them: by hand, since its CLI prints none.

diesel::table! {
    /// What each user has bought, as of the last refresh.
    user_stats (user_id) {
        /// Whose row it is.
        user_id -> Uuid,
        /// How many orders the user has.
        order_count -> BigInt,
        /// What they come to.
        total_spent -> Numeric,
    }
}
