"""Entry point of `barrio-central`."""

import os
import sys


def main() -> int:
    """Returns the exit status."""
    # gRPC's own log would write a line for each stranger that is turned away. Read when grpc is imported.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from central.catalogue.sqlite.scribe_child import run_if_asked

    run_if_asked()
    from central.cli import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
