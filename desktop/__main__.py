"""`barrio`: the desktop."""

import os
import sys

from desktop import peer_host
from desktop.arguments import parse
from protos.operating import logs


def main() -> int:
    peer_host.be_helper_if_asked()
    options = parse(sys.argv[1:])
    logs.set_up("warning", "text", with_children=True)
    shown = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))
    if sys.platform.startswith("linux") and not shown:
        print("barrio: there is no display; use barrio-peer, or set DISPLAY", file=sys.stderr)
        return 1
    # Qt only now, so that --help and wrong usage answer at once.
    from desktop.app import start

    return start(options)


if __name__ == "__main__":
    sys.exit(main())
