-- Listing a share as a tree. The counters are the shared files directly in a folder, kept by the triggers below.
ALTER TABLE folders ADD COLUMN files INTEGER NOT NULL DEFAULT 0;
ALTER TABLE folders ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
UPDATE folders SET
    files = (SELECT count(*) FROM files WHERE folder = folders.id AND state = 1),
    bytes = (SELECT coalesce(sum(size), 0) FROM files WHERE folder = folders.id AND state = 1);

-- The path with NUL, which no name holds, behind each part: a folder and all below it lie together, and folders
-- beside each other lie in the order of their names.
CREATE INDEX folders_tree ON folders (share, (replace(path, '/', char(0)) || char(0))) WHERE files > 0;

CREATE TRIGGER folders_counted_in AFTER INSERT ON files WHEN NEW.state = 1 BEGIN
    UPDATE folders SET files = files + 1, bytes = bytes + NEW.size WHERE id = NEW.folder;
END;
CREATE TRIGGER folders_counted_out AFTER DELETE ON files WHEN OLD.state = 1 BEGIN
    UPDATE folders SET files = files - 1, bytes = bytes - OLD.size WHERE id = OLD.folder;
END;
CREATE TRIGGER folders_counted_again AFTER UPDATE OF state, size ON files
WHEN (NEW.state = 1) <> (OLD.state = 1) OR (NEW.state = 1 AND NEW.size <> OLD.size) BEGIN
    UPDATE folders SET
        files = files + (NEW.state = 1) - (OLD.state = 1),
        bytes = bytes + (NEW.state = 1) * NEW.size - (OLD.state = 1) * OLD.size
    WHERE id = NEW.folder;
END;
