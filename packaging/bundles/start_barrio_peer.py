"""Where the frozen `barrio-peer` begins."""

import sys

from peer_core.__main__ import main

sys.exit(main())
