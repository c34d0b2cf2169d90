CREATE TABLE transfer (
    id TEXT PRIMARY KEY,
    content_id BLOB NOT NULL,
    name TEXT NOT NULL,
    folder TEXT NOT NULL,
    created REAL NOT NULL,
    state TEXT NOT NULL,
    path TEXT,
    part TEXT,
    size INTEGER,
    pieces INTEGER NOT NULL,
    pieces_done INTEGER NOT NULL,
    bytes_done INTEGER NOT NULL,
    trouble TEXT,
    finished REAL,
    sources TEXT NOT NULL
) WITHOUT ROWID;
