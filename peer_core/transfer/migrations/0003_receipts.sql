ALTER TABLE transfer ADD COLUMN given TEXT NOT NULL DEFAULT '{}';
CREATE TABLE quarantine (
    peer_id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    reason TEXT NOT NULL,
    since REAL NOT NULL,
    until REAL NOT NULL,
    times INTEGER NOT NULL
) WITHOUT ROWID;
