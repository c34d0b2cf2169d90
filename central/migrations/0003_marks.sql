-- What the member called the state that is held of it; empty: it has no name.
ALTER TABLE publication ADD COLUMN mark BLOB NOT NULL DEFAULT x'';
