-- Each batch that gives something up makes a row; the cleaner asks after each whether its member has more.
CREATE INDEX gone_by_member ON gone (member);
