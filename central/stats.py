"""What `barrio-central stats` counts, whether a server runs or not."""

import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from central.catalogue.sqlite.store import totals
from central.data_folder import is_served
from central.database import Database
from central.members import list_members


def collect_stats(database: Database, data_dir: Path) -> dict[str, Any]:
    """By name, in the order in which they are shown; sizes in bytes."""
    served = is_served(data_dir)
    rows = list_members(database, served)
    read = database.read().execute
    name = read("SELECT value FROM setting WHERE key = 'network_name'").fetchone()
    open_invites = read("SELECT count(*) FROM invite WHERE used < uses AND expires > ?", (time.time(),)).fetchone()[0]
    return {
        "network_name": name[0] if name else "",
        "serving": served,
        "members": sum(not row.revoked for row in rows),
        "revoked": sum(row.revoked for row in rows),
        "online": sum(row.online for row in rows),
        **asdict(totals(database)),
        "open_invites": open_invites,
        # Those that are still in the write-ahead log too.
        "database_bytes": math.prod(read(f"PRAGMA {of}").fetchone()[0] for of in ("page_count", "page_size")),
    }
