"""What holds for every test: no leaked thread, and warnings (unclosed sockets and files too) are errors."""

import gc
import os
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import settings

os.environ.setdefault("BARRIO_KEYRING", "off")
os.environ.setdefault("QT_API", "pyside6")

# Nothing in these tests is timed: the machine may be busy with something else.
settings.register_profile("barrio", deadline=None)
settings.load_profile("barrio")

# Threads that a library keeps for the life of the process, and that no test can end.
LASTING = ("pydevd", "asyncio_", "grpc", "Dummy", "QThread")


def pytest_collection_finish() -> None:
    """What was imported by now stays: looking through it after each test would take half a minute in all."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def no_leaked_thread() -> Iterator[None]:
    """Fails a test that leaves one of our threads running."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 5
    while True:
        left = [t for t in threading.enumerate() if t not in before and t.is_alive() and not t.name.startswith(LASTING)]
        if not left or time.monotonic() > deadline:
            break
        time.sleep(0.02)
    # Unclosed sockets and files warn when they are collected: here, inside the test that left them.
    gc.collect()
    assert not left, f"threads left running: {[t.name for t in left]}"
