"""The peer, without a window: library, directory, transfer, server. `peer.py` builds it."""

__version__ = "0.1.0"
