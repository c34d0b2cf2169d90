"""Where the frozen `barrio-central` begins."""

import sys

from central.__main__ import main

sys.exit(main())
