-- What a folder's listing said when it was last compared and nothing was new, as a digest: while it says the same, the
-- entries need not be compared one by one. Any change of them ends it.
ALTER TABLE folders ADD COLUMN seal BLOB;

CREATE TRIGGER folders_unsealed_in AFTER INSERT ON files
WHEN (SELECT seal FROM folders WHERE id = NEW.folder) IS NOT NULL BEGIN
    UPDATE folders SET seal = NULL WHERE id = NEW.folder;
END;
CREATE TRIGGER folders_unsealed_out AFTER DELETE ON files
WHEN (SELECT seal FROM folders WHERE id = OLD.folder) IS NOT NULL BEGIN
    UPDATE folders SET seal = NULL WHERE id = OLD.folder;
END;
CREATE TRIGGER folders_unsealed_again AFTER UPDATE OF folder, name, size, mtime_ns, inode, state ON files
WHEN (SELECT seal FROM folders WHERE id = NEW.folder) IS NOT NULL BEGIN
    UPDATE folders SET seal = NULL WHERE id = NEW.folder;
END;
