-- Bytes of the names of a member's entries, of which it may have so many.
ALTER TABLE publication ADD COLUMN text_bytes INTEGER NOT NULL DEFAULT 0;
UPDATE publication SET text_bytes = held.bytes FROM (
    SELECT h.member, sum(length(CAST(n.path AS BLOB))) AS bytes
    FROM holder h JOIN name n ON n.number = h.name GROUP BY h.member
) AS held WHERE held.member = publication.member;
