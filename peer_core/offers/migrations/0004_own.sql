-- own: the transfer of a file was made for offers; one that was there before is not ended when they are withdrawn. Of
-- what was accepted until now nobody knows any more, and it counts as made for them.
ALTER TABLE files ADD COLUMN own INTEGER NOT NULL DEFAULT 0;
UPDATE files SET own = 1 WHERE transfer <> '';
