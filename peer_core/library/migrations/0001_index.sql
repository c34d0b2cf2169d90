-- One row: who this index is (a new database is a new index for the central), and the newest change's number.
CREATE TABLE library (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    index_id BLOB NOT NULL,
    sequence INTEGER NOT NULL
) STRICT;
INSERT INTO library VALUES (1, randomblob(16), 0);

-- A removed share stays until the central knows that its files are gone. device and inode are the root folder's.
-- The counters are kept by the triggers below.
CREATE TABLE shares (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    path TEXT NOT NULL,
    removed INTEGER NOT NULL DEFAULT 0,
    available INTEGER NOT NULL DEFAULT 1,
    device INTEGER NOT NULL DEFAULT 0,
    inode INTEGER NOT NULL DEFAULT 0,
    files INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    pending INTEGER NOT NULL DEFAULT 0,
    pending_bytes INTEGER NOT NULL DEFAULT 0
) STRICT;

-- path: "/" between parts, relative to the share, "" for its root.
CREATE TABLE folders (
    id INTEGER PRIMARY KEY,
    share INTEGER NOT NULL REFERENCES shares (id),
    path TEXT NOT NULL,
    UNIQUE (share, path)
) STRICT;

CREATE TABLE contents (
    id INTEGER PRIMARY KEY,
    content_id BLOB NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    hashes BLOB NOT NULL
) STRICT;

-- state: 0 waits to be hashed, 1 shared, 2 out of reach but remembered, 3 gone, 4 cannot be read (FileState).
-- content: what was hashed when the file had this size, time and id; inode 0: the file system has no lasting ids.
-- sequence: this entry's newest change; 0: the central has nothing to know about it.
CREATE TABLE files (
    id INTEGER PRIMARY KEY,
    folder INTEGER NOT NULL REFERENCES folders (id),
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    device INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    state INTEGER NOT NULL,
    content INTEGER REFERENCES contents (id),
    sequence INTEGER NOT NULL,
    UNIQUE (folder, name)
) STRICT;
CREATE UNIQUE INDEX files_by_sequence ON files (sequence) WHERE sequence > 0;
CREATE INDEX files_tombstones ON files (sequence) WHERE sequence > 0 AND state <> 1;
CREATE INDEX files_by_content ON files (content) WHERE content IS NOT NULL;
CREATE INDEX files_by_inode ON files (inode) WHERE content IS NOT NULL;
-- What is hashed first: small before large in steps of 16 MiB, and the newest within a step.
CREATE INDEX files_to_hash ON files (size >> 24, mtime_ns DESC) WHERE state = 0;

CREATE TRIGGER files_counted_in AFTER INSERT ON files WHEN NEW.state IN (0, 1) BEGIN
    UPDATE shares SET
        files = files + (NEW.state = 1), bytes = bytes + (NEW.state = 1) * NEW.size,
        pending = pending + (NEW.state = 0), pending_bytes = pending_bytes + (NEW.state = 0) * NEW.size
    WHERE id = (SELECT share FROM folders WHERE id = NEW.folder);
END;
CREATE TRIGGER files_counted_out AFTER DELETE ON files WHEN OLD.state IN (0, 1) BEGIN
    UPDATE shares SET
        files = files - (OLD.state = 1), bytes = bytes - (OLD.state = 1) * OLD.size,
        pending = pending - (OLD.state = 0), pending_bytes = pending_bytes - (OLD.state = 0) * OLD.size
    WHERE id = (SELECT share FROM folders WHERE id = OLD.folder);
END;
CREATE TRIGGER files_counted_again AFTER UPDATE OF state, size ON files
WHEN NEW.state <> OLD.state OR NEW.size <> OLD.size BEGIN
    UPDATE shares SET
        files = files + (NEW.state = 1) - (OLD.state = 1),
        bytes = bytes + (NEW.state = 1) * NEW.size - (OLD.state = 1) * OLD.size,
        pending = pending + (NEW.state = 0) - (OLD.state = 0),
        pending_bytes = pending_bytes + (NEW.state = 0) * NEW.size - (OLD.state = 0) * OLD.size
    WHERE id = (SELECT share FROM folders WHERE id = NEW.folder);
END;
