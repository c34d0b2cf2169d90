"""Who shares what: one interface, and the stores behind it."""
