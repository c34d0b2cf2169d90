-- What is in an offer: one parcel for all who are offered the same. paths: what the person chose, as JSON; of parcels that
-- came in, an empty list. packed: 0 while it is listed and hashed. names: the first of what is in it, as JSON.
-- changed: how many of its files are marked so.
CREATE TABLE parcels (
    id INTEGER PRIMARY KEY,
    message TEXT NOT NULL,
    paths TEXT NOT NULL,
    packed INTEGER NOT NULL,
    files INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    names TEXT NOT NULL DEFAULT '[]',
    changed INTEGER NOT NULL DEFAULT 0
) STRICT;

-- folder: "/" between parts, "" for none. place, root, mtime_ns, inode, hashes: of files that this peer offers, as
-- they were when they were hashed; changed: they are not that any more. transfer, done: of files that it was offered.
CREATE TABLE files (
    parcel INTEGER NOT NULL REFERENCES parcels (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    folder TEXT NOT NULL,
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    content_id BLOB NOT NULL,
    place BLOB NOT NULL DEFAULT x'',
    root BLOB NOT NULL DEFAULT x'',
    mtime_ns INTEGER NOT NULL DEFAULT 0,
    inode INTEGER NOT NULL DEFAULT 0,
    hashes BLOB NOT NULL DEFAULT x'',
    changed INTEGER NOT NULL DEFAULT 0,
    transfer TEXT NOT NULL DEFAULT '',
    done INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (parcel, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX files_by_content ON files (content_id);

-- number: the sender's id for it, the same at both ends. told: the state that the other end is known to know.
-- folder: where it lands. Times are seconds since 1970.
CREATE TABLE offers (
    id TEXT PRIMARY KEY,
    direction TEXT NOT NULL CHECK (direction IN ('in', 'out')),
    peer_id TEXT NOT NULL,
    peer_name TEXT NOT NULL,
    number TEXT NOT NULL,
    parcel INTEGER NOT NULL REFERENCES parcels (id),
    state TEXT NOT NULL,
    told TEXT NOT NULL,
    created REAL NOT NULL,
    expires REAL NOT NULL,
    ended REAL,
    folder TEXT NOT NULL,
    files_done INTEGER NOT NULL,
    bytes_done INTEGER NOT NULL,
    trouble TEXT,
    UNIQUE (direction, peer_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX offers_by_parcel ON offers (parcel);

-- Whose offers are accepted without asking: into which folder ("" for where downloads land), up to how many bytes each.
CREATE TABLE rules (
    peer_id TEXT PRIMARY KEY,
    peer_name TEXT NOT NULL,
    folder TEXT NOT NULL,
    max_bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
