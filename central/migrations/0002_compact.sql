-- Entries become packed parts, and contents are found by short keys. Python finishes what SQL cannot compute:
-- central/catalogue/sqlite/upgrading.py, at the same start.

DROP INDEX entry_by_content;
ALTER TABLE entry RENAME TO entry_1;

-- Who shares what: some hundred entries of a member in one row, sorted by key; `first` is the lowest possible one.
CREATE TABLE part (
    number INTEGER PRIMARY KEY,
    member INTEGER NOT NULL,
    first INTEGER NOT NULL,
    data BLOB NOT NULL
);
CREATE INDEX part_by_member ON part (member, first);

-- Who has a name. Rows of members that began anew or were removed stay until `gone` is worked off.
CREATE TABLE holder (
    name INTEGER NOT NULL,
    member INTEGER NOT NULL,
    PRIMARY KEY (name, member)
) WITHOUT ROWID;

-- Parts that a member gave up; their holders and names go in the background.
CREATE TABLE gone (
    number INTEGER PRIMARY KEY,
    member INTEGER NOT NULL,
    since INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS INTEGER)),
    data BLOB NOT NULL
);

-- A content by a hash of its id and size with a secret of this database, so that nobody can make ids that collide.
DROP INDEX content_by_id;
CREATE TABLE content_key (
    key INTEGER NOT NULL,
    content INTEGER NOT NULL,
    PRIMARY KEY (key, content)
) WITHOUT ROWID;

-- Half of the hash is enough beside the content.
UPDATE name SET path_key = path_key >> 32;

DROP TABLE name_words;
CREATE VIRTUAL TABLE name_words USING fts5 (
    words, content = '', columnsize = 0, detail = none, tokenize = 'ascii'
);
CREATE VIRTUAL TABLE word_count USING fts5vocab (name_words, 'row');
UPDATE setting SET value = 'upgrading' WHERE key = 'word_rules';
