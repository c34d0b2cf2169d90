"""The index's schema as numbered SQL files; file N brings a database from version N-1 to N."""
