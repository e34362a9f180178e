CREATE TABLE users (
    id bigint unsigned AUTO_INCREMENT PRIMARY KEY,
    email varchar(190) NOT NULL UNIQUE,
    code varchar(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL UNIQUE,
    active tinyint(1) NOT NULL DEFAULT 1,
    born year,
    kind enum('new', 'it''s old') NOT NULL DEFAULT 'new',
    created_at datetime NOT NULL DEFAULT current_timestamp(),
    notes longtext COMMENT 'What was said.'
) COMMENT 'People.';
CREATE TABLE orders (
    id int AUTO_INCREMENT PRIMARY KEY,
    user_id bigint unsigned NOT NULL,
    total decimal(10, 2) NOT NULL,
    doubled decimal(12, 2) AS (total * 2) STORED,
    placed_on date NOT NULL,
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    KEY by_user (user_id, placed_on),
    KEY by_total (total)
);
