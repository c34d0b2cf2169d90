-- States of this index that the central may hold: the newest change in each, and the mark it was published under.
CREATE TABLE sent (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sequence INTEGER NOT NULL,
    mark BLOB NOT NULL
) STRICT;
