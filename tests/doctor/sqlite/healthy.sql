PRAGMA foreign_keys = ON;

CREATE TABLE ghosts (id INTEGER PRIMARY KEY);
CREATE TABLE authors (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, pen_name VARCHAR(80) NOT NULL);
CREATE UNIQUE INDEX authors_pen_name ON authors (pen_name);
CREATE TABLE books (
    id INTEGER PRIMARY KEY,
    author_id INTEGER NOT NULL REFERENCES authors (id) ON DELETE CASCADE,
    isbn TEXT NOT NULL,
    n_pages INTEGER NOT NULL,
    title TEXT NOT NULL,
    subtitle TEXT,
    genre TEXT NOT NULL,
    weight BIGINT NOT NULL,
    shelf INTEGER NOT NULL,
    bought_at TIMESTAMP NOT NULL,
    language TEXT DEFAULT '' NOT NULL
);
CREATE UNIQUE INDEX books_isbn ON books (isbn);
CREATE INDEX books_author ON books (author_id);
CREATE INDEX books_genre ON books (genre, title);
CREATE INDEX books_shelf ON books (shelf);

INSERT INTO authors VALUES (1, 'a', 'b');
WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 3000)
INSERT INTO books SELECT n, 1, n, n, n, n, n % 2, n, n, '2020-01-01 00:00:00', '' FROM numbers;
ANALYZE;
