-- exclude: patterns in gitignore syntax, one a line. rules: grows with each change of them; walked: what it was when
-- the whole share was last seen by them.
ALTER TABLE shares ADD COLUMN exclude TEXT NOT NULL DEFAULT '';
ALTER TABLE shares ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0;
ALTER TABLE shares ADD COLUMN rules INTEGER NOT NULL DEFAULT 0;
ALTER TABLE shares ADD COLUMN walked INTEGER NOT NULL DEFAULT 0;
-- Entries that are remembered and cannot be had now.
ALTER TABLE shares ADD COLUMN unavailable INTEGER NOT NULL DEFAULT 0;
UPDATE shares SET unavailable = (
    SELECT count(*) FROM files JOIN folders ON folders.id = files.folder
    WHERE folders.share = shares.id AND files.state IN (2, 4)
);

-- Hashing rests by the person's wish.
ALTER TABLE library ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;

-- The newest change when contents that nobody has were last swept out.
ALTER TABLE library ADD COLUMN swept INTEGER NOT NULL DEFAULT 0;

-- State 5: left out by the share's rules, but remembered.
-- The size, so that duplicates are counted from this index alone.
DROP INDEX files_by_content;
CREATE INDEX files_by_content ON files (content, state, size) WHERE content IS NOT NULL;

DROP TRIGGER files_counted_in;
DROP TRIGGER files_counted_out;
DROP TRIGGER files_counted_again;
CREATE TRIGGER files_counted_in AFTER INSERT ON files WHEN NEW.state NOT IN (3, 5) BEGIN
    UPDATE shares SET
        files = files + (NEW.state = 1), bytes = bytes + (NEW.state = 1) * NEW.size,
        pending = pending + (NEW.state = 0), pending_bytes = pending_bytes + (NEW.state = 0) * NEW.size,
        unavailable = unavailable + (NEW.state IN (2, 4))
    WHERE id = (SELECT share FROM folders WHERE id = NEW.folder);
END;
CREATE TRIGGER files_counted_out AFTER DELETE ON files WHEN OLD.state NOT IN (3, 5) BEGIN
    UPDATE shares SET
        files = files - (OLD.state = 1), bytes = bytes - (OLD.state = 1) * OLD.size,
        pending = pending - (OLD.state = 0), pending_bytes = pending_bytes - (OLD.state = 0) * OLD.size,
        unavailable = unavailable - (OLD.state IN (2, 4))
    WHERE id = (SELECT share FROM folders WHERE id = OLD.folder);
END;
CREATE TRIGGER files_counted_again AFTER UPDATE OF state, size ON files
WHEN NEW.state <> OLD.state OR NEW.size <> OLD.size BEGIN
    UPDATE shares SET
        files = files + (NEW.state = 1) - (OLD.state = 1),
        bytes = bytes + (NEW.state = 1) * NEW.size - (OLD.state = 1) * OLD.size,
        pending = pending + (NEW.state = 0) - (OLD.state = 0),
        pending_bytes = pending_bytes + (NEW.state = 0) * NEW.size - (OLD.state = 0) * OLD.size,
        unavailable = unavailable + (NEW.state IN (2, 4)) - (OLD.state IN (2, 4))
    WHERE id = (SELECT share FROM folders WHERE id = NEW.folder);
END;
