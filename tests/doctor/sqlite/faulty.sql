PRAGMA foreign_keys = OFF;

CREATE TABLE authors (
    id INTEGER NOT NULL,
    email TEXT NOT NULL,
    pen_name TEXT COLLATE NOCASE NOT NULL UNIQUE
);
CREATE UNIQUE INDEX authors_email ON authors (email) WHERE id > 0;

CREATE TABLE books (
    id INTEGER PRIMARY KEY,
    author_id INTEGER NOT NULL REFERENCES authors (id),
    isbn NUMERIC NOT NULL,
    n_pages TEXT NOT NULL,
    title TEXT,
    subtitle TEXT NOT NULL,
    genre TEXT NOT NULL,
    shelf INTEGER NOT NULL,
    bought_at TIMESTAMP NOT NULL,
    language TEXT NOT NULL
);
CREATE INDEX books_title_author ON books (title, author_id);
CREATE INDEX books_isbn ON books (isbn);
CREATE INDEX books_shelf ON books (shelf + 0);
CREATE INDEX books_genre ON books (genre);
CREATE INDEX books_genre_again ON books (genre);
CREATE INDEX books_pages ON books (n_pages);

CREATE TABLE loans (id INTEGER PRIMARY KEY, book_id INTEGER REFERENCES books (id));

WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 3000)
INSERT INTO books SELECT n, n, n, n, n, n, n % 2, n, '2020-01-01 00:00:00', '' FROM numbers;
ANALYZE;
