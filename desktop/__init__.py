"""The window. Speaks only the local API of a peer."""

__version__ = "0.1.0"
