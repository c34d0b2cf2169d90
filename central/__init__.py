"""The headless directory and locator."""

__version__ = "0.1.0"
