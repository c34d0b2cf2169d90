"""`barrio`: the desktop."""

import sys

from desktop import peer_host
from desktop.arguments import parse
from desktop.display import display_trouble
from protos.operating import logs


def main() -> int:
    peer_host.be_helper_if_asked()
    options = parse(sys.argv[1:])
    logs.set_up("warning", "text", with_children=True)
    trouble = display_trouble()
    if trouble is not None:
        print(f"barrio: {trouble}; use barrio-peer, or set DISPLAY to one that answers", file=sys.stderr)
        return 1
    # Qt only now, so that --help and wrong usage answer at once.
    from desktop.app import start

    return start(options)


if __name__ == "__main__":
    sys.exit(main())
