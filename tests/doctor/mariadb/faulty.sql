CREATE TABLE authors (
    id BIGINT NOT NULL,
    email VARCHAR(100) COLLATE utf8mb4_bin NOT NULL,
    name VARCHAR(100) COLLATE utf8mb4_general_ci NOT NULL,
    KEY authors_name (name),
    UNIQUE KEY authors_id (id, email)
) ENGINE=MyISAM;

CREATE TABLE books (
    id INT AUTO_INCREMENT PRIMARY KEY,
    author_id BIGINT NOT NULL,
    isbn VARCHAR(20) COLLATE utf8mb4_bin NOT NULL,
    pages BIGINT UNSIGNED NOT NULL,
    price DOUBLE NOT NULL,
    subtitle VARCHAR(100) COLLATE utf8mb4_bin NOT NULL,
    title VARCHAR(100) COLLATE utf8mb4_bin,
    genre INT NOT NULL,
    shelf INT NOT NULL,
    language VARCHAR(20) NOT NULL,
    KEY books_genre (genre),
    KEY books_genre_again (genre),
    KEY books_title_shelf (title, shelf),
    KEY books_isbn (isbn),
    KEY books_pages (pages)
);
INSERT INTO books SELECT seq, 1, seq, 1, 1, '', '', seq % 2, seq, '' FROM seq_1_to_20000;
ALTER TABLE books AUTO_INCREMENT = 2100000000;
ANALYZE TABLE books;
