"""`barrio-peer` and `python -m peer_core`."""

import sys

from peer_core.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
