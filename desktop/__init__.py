"""The window. Speaks only the local API of a peer."""
