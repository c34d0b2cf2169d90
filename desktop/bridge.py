"""asyncio on Qt's event loop: the only file that knows qasync. Qt's thread, and one pool of workers beside it."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import qasync
from PySide6.QtWidgets import QApplication

T = TypeVar("T")
log = logging.getLogger(__name__)


def run(app: QApplication, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Runs Qt's loop until `main()` returns, and gives its value."""
    app.setQuitOnLastWindowClosed(False)
    loop = qasync.QEventLoop(app)
    try:
        asyncio.set_event_loop(loop)
        value: T = loop.run_until_complete(main())
        return value
    finally:
        asyncio.set_event_loop(None)
        loop.close()


class Tasks:
    """The tasks and the worker threads of one window; `close` leaves none of either."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()
        self._workers = ThreadPoolExecutor(max_workers=4, thread_name_prefix="barrio-work")
        self._closed = False

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any] | None:
        """Starts `work` in the background; an error that it does not handle is logged. None once closed."""
        if self._closed:
            work.close()
            return None
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    async def in_worker(self, work: Callable[..., T], *args: Any) -> T:
        """Runs `work` in a worker thread: the way for anything that may block."""
        return await asyncio.get_running_loop().run_in_executor(self._workers, work, *args)

    async def cancel(self) -> None:
        """Cancels what runs and waits for it; afterwards nothing new starts."""
        self._closed = True
        mine = asyncio.current_task()
        others = [task for task in self._running if task is not mine]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def close(self) -> None:
        self._workers.shutdown(wait=True)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of the window failed", exc_info=error)
