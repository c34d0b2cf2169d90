-- Of a rule: since when (seconds since 1970) how many files were taken by it. After a day it counts anew.
ALTER TABLE rules ADD COLUMN since REAL NOT NULL DEFAULT 0;
ALTER TABLE rules ADD COLUMN files INTEGER NOT NULL DEFAULT 0;
