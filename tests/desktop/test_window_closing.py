"""The window closes at whatever moment it is closed."""

import asyncio
from pathlib import Path

from window_kit import Drive, shell_of, until

from desktop.app import Desktop
from desktop.arguments import Options


def test_news_that_come_as_it_closes_keep_nothing_running(member: Path, drive: Drive) -> None:
    async def scenario(desktop: Desktop) -> None:
        await shell_of(desktop)
        assert desktop.session is not None
        nudge = desktop.session._nudge
        await until(lambda: nudge._waiters, "the window to rest between two questions")
        nudge.set()
        async with asyncio.timeout(10):
            await desktop.tasks.cancel()

    drive(Options(member), scenario)
