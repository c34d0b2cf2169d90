-- forgotten: an ended offer that is off the list, and stays only until the other end knows how it ended.
ALTER TABLE offers ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0;
