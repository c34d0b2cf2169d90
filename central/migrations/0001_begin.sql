-- Times are seconds since 1970, UTC.

CREATE TABLE setting (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE member (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    peer_id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    enrolled INTEGER NOT NULL,
    -- Place in the list of revocations, from 1; NULL for members in good standing.
    revocation INTEGER UNIQUE
);

-- Written in batches while the server runs; leases themselves live in memory.
CREATE TABLE presence (
    member INTEGER PRIMARY KEY,
    online INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    addresses TEXT NOT NULL
);

CREATE TABLE invite (
    token_hash BLOB PRIMARY KEY,
    uses INTEGER NOT NULL,
    used INTEGER NOT NULL DEFAULT 0,
    made INTEGER NOT NULL,
    expires INTEGER NOT NULL
) WITHOUT ROWID;

-- How far each member's index is held here.
CREATE TABLE publication (
    member INTEGER PRIMARY KEY,
    index_id BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    entries INTEGER NOT NULL
);

-- The size is part of the key: a member that lies about the size of a content makes a row of its own.
CREATE TABLE content (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    content_id BLOB NOT NULL,
    size INTEGER NOT NULL
);
CREATE UNIQUE INDEX content_by_id ON content (content_id, size);

-- Kept once for each distinct (content, path), whoever shares it so. `path` is SHARE/FOLDERS/NAME.
CREATE TABLE name (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    content INTEGER NOT NULL,
    path_key INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    path TEXT NOT NULL
);
CREATE INDEX name_by_content ON name (content, path_key);

-- Who shares what. `path_key` is a 64-bit hash of the path, so that a member's entry is found without its text.
CREATE TABLE entry (
    member INTEGER NOT NULL,
    path_key INTEGER NOT NULL,
    name INTEGER NOT NULL,
    content INTEGER NOT NULL,
    PRIMARY KEY (member, path_key)
) WITHOUT ROWID;
CREATE INDEX entry_by_content ON entry (content, member, name);

-- Names that lost an entry; cleaned in the background, after a while, when none is left.
CREATE TABLE orphan (
    name INTEGER PRIMARY KEY,
    since INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS INTEGER))
);

-- Holds folded words only (central/catalogue/words.py); the ascii tokenizer splits them at spaces and nowhere else.
CREATE VIRTUAL TABLE name_words USING fts5 (
    words, content = '', columnsize = 0, detail = none, prefix = '1 2 3', tokenize = 'ascii'
);
