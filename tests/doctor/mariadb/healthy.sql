CREATE TABLE ghosts (id BIGINT PRIMARY KEY);
CREATE TABLE authors (
    id BIGINT AUTO_INCREMENT PRIMARY KEY,
    email VARCHAR(100) COLLATE utf8mb4_bin NOT NULL UNIQUE,
    name VARCHAR(100) COLLATE utf8mb4_bin NOT NULL,
    KEY authors_name (name)
);

CREATE TABLE books (
    id INT AUTO_INCREMENT PRIMARY KEY,
    author_id BIGINT NOT NULL,
    isbn VARCHAR(20) COLLATE utf8mb4_bin NOT NULL,
    pages INT NOT NULL,
    price DECIMAL(10, 2) NOT NULL,
    weight INT NOT NULL,
    subtitle VARCHAR(100),
    title VARCHAR(100) NOT NULL,
    genre INT NOT NULL,
    shelf INT NOT NULL,
    language VARCHAR(20) DEFAULT '' NOT NULL,
    CONSTRAINT books_author FOREIGN KEY (author_id) REFERENCES authors (id) ON DELETE CASCADE,
    UNIQUE KEY books_isbn (isbn),
    KEY books_genre (genre, title),
    KEY books_shelf (shelf)
);
INSERT INTO authors VALUES (1, 'a', 'a');
INSERT INTO books SELECT seq, 1, seq, 1, 1, 1, '', '', seq % 2, seq, '' FROM seq_1_to_20000;
ANALYZE TABLE books;
