"""Runs first in each frozen program: gives the programs that ours start the library path that the user had."""

import os

# The bootloader points it at our own libraries, which a browser opened by us must not load.
if "LD_LIBRARY_PATH_ORIG" in os.environ:
    os.environ["LD_LIBRARY_PATH"] = os.environ.pop("LD_LIBRARY_PATH_ORIG")
else:
    os.environ.pop("LD_LIBRARY_PATH", None)
