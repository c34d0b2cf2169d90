"""A signal ends a program at whatever moment it comes."""

import signal
import subprocess
import sys

WAITS = """
import signal
from protos.operating.stopping import stop_signals

signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
for _ in range(5_000):
    with stop_signals() as stop:
        assert stop.wait(10)
        assert stop.wait(0), "it stays asked for"
print("ended")
"""


def test_a_signal_at_any_moment_of_a_wait_is_heard() -> None:
    """Signals without a pause, from outside: some come while the wait begins or ends."""
    waits = [sys.executable, "-c", WAITS]
    with subprocess.Popen(waits, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None and program.stderr is not None
        try:
            assert program.stdout.readline() == "ready\n"
            while program.poll() is None:
                program.send_signal(signal.SIGTERM)
            assert program.stdout.read() == "ended\n", program.stderr.read()
        finally:
            program.kill()
    assert program.returncode in (0, -signal.SIGTERM), "the last signal may meet a program that has ended its work"
