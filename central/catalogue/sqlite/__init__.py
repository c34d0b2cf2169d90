"""The catalogue in SQLite, with live counters in memory."""
