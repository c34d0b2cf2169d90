"""The largest size of a file, and sizes for people: decimal units, as file managers show them. Pure."""

MAX_SIZE = 1 << 53


def human(count: float | None) -> str:
    """Bytes as `1.5 MB`; “?” for what is not known."""
    if count is None:
        return "?"
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 99.95 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


class Size(int):
    """A number of bytes that a sentence says as `human` does."""

    def __format__(self, spec: str) -> str:
        return human(self)
