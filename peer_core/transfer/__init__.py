"""Downloads: queue, picker, sources, fetching, part files."""
