"""`barrio-peer` and `python -m peer_core`."""

import sys

from peer_core.library.child import run_if_asked


def main() -> int:
    run_if_asked()
    # After it, as a helper needs nothing of the command line.
    from peer_core.cli.main import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
