"""Measures Barrio against the figures that it promises. Run by `./barrio bench`; nothing of it runs in the tests."""
