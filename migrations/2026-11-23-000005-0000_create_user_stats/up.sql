CREATE MATERIALIZED VIEW "user_stats" AS
SELECT users.id AS user_id,
       count(orders.id) AS order_count,
       COALESCE(sum(orders.total_amount), 0) AS total_spent
FROM users LEFT JOIN orders ON orders.user_id = users.id
GROUP BY users.id;

-- By it a refresh finds what has changed, and readers go on reading meanwhile.
CREATE UNIQUE INDEX ON "user_stats" ("user_id");
