"""The database's schema as numbered steps: `NNNN_what.sql` brings version NNNN - 1 to NNNN."""
