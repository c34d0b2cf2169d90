"""Runs first in each frozen program: the programs that ours start get the environment that the user had."""

import os

# The bootloader points it at our own libraries, which a browser opened by us must not load.
if "LD_LIBRARY_PATH_ORIG" in os.environ:
    os.environ["LD_LIBRARY_PATH"] = os.environ.pop("LD_LIBRARY_PATH_ORIG")
else:
    os.environ.pop("LD_LIBRARY_PATH", None)
# A helper of ours, by these, would take itself for a part of this process, and not find the libraries for itself.
for name in [name for name in os.environ if name.startswith("_PYI_")]:
    del os.environ[name]
