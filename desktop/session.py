"""What the window knows of its peer, asked for at a bounded rate and told by differences. Qt's thread."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from desktop.api import ApiError, Library, Share, Status, Transfer
from desktop.api_offers import Offers
from desktop.bridge import Tasks

if TYPE_CHECKING:
    from desktop.api_client import ApiClient

VISIBLE_SECONDS = 0.5
HIDDEN_SECONDS = 3.0


class Session(QObject):
    """One connection to one peer. Signals carry whole new values, and only when something differs."""

    status_changed = Signal(object)  # Status
    transfers_changed = Signal(object)  # tuple[Transfer, ...]
    library_changed = Signal(object)  # Library
    offers_changed = Signal(object)  # Offers
    reachable_changed = Signal(object)  # None, or the ApiError of asking
    failed = Signal(object)  # the ApiError of something that the person asked for

    def __init__(self, client: "ApiClient", tasks: Tasks, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.client = client
        self.tasks = tasks
        self.status: Status | None = None
        self.transfers: tuple[Transfer, ...] = ()
        # Files in folders whose contents some page shows.
        self.inside: tuple[Transfer, ...] = ()
        self._watching: list[Callable[[], Sequence[str]]] = []
        self.library = Library((), 0, 0)
        self.offers = Offers()
        self.trouble: ApiError | None = None
        self._visible = True
        self._nudge = asyncio.Event()

    @property
    def shares(self) -> tuple[Share, ...]:
        return self.library.shares

    def start(self) -> None:
        self.tasks.start(self._poll())

    def watch(self, contents: Callable[[], Sequence[str]]) -> None:
        """`contents`: ids of what a page shows, whose transfers are asked for, also those in folders."""
        self._watching.append(contents)

    def set_visible(self, visible: bool) -> None:
        """A hidden window asks rarely."""
        if visible and not self._visible:
            self._nudge.set()
        self._visible = visible

    def do(
        self,
        work: Coroutine[Any, Any, Any],
        done: Callable[[Any], None] | None = None,
        failed: Callable[[ApiError], None] | None = None,
    ) -> None:
        """Runs what the person asked for, then asks for the news; an error goes to `failed`, or to its signal."""
        self.tasks.start(self._do(work, done, failed))

    async def refresh(self) -> None:
        """Asks for everything once."""
        try:
            status = await self.client.status()
            transfers = await self.client.transfers()
            inside = await self._inside(transfers)
            library = await self.client.library()
        except ApiError as error:
            self._set_trouble(error)
            return
        self._set_trouble(None)
        if status != self.status:
            self.status = status
            self.status_changed.emit(status)
        if (transfers, inside) != (self.transfers, self.inside):
            self.transfers, self.inside = transfers, inside
            self.transfers_changed.emit(transfers)
        await self._refresh_offers(status)
        if library != self.library:
            self.library = library
            self.library_changed.emit(library)

    async def _inside(self, transfers: tuple[Transfer, ...]) -> tuple[Transfer, ...]:
        if not any(transfer.files for transfer in transfers):
            return ()
        found: tuple[Transfer, ...] = ()
        for contents in self._watching:
            if ids := contents():
                found += await self.client.find_transfers(ids)
        return found

    async def _refresh_offers(self, status: Status) -> None:
        """Asks for the offers only when the status says that something is new."""
        if status.offers_revision == self.offers.revision:
            return
        try:
            offers = await self.client.offers()
        except ApiError:
            # The next round asks again.
            return
        self.offers = offers
        self.offers_changed.emit(offers)

    async def _do(
        self,
        work: Coroutine[Any, Any, Any],
        done: Callable[[Any], None] | None,
        failed: Callable[[ApiError], None] | None,
    ) -> None:
        try:
            value = await work
        except ApiError as error:
            (failed or self.failed.emit)(error)
            return
        if done is not None:
            done(value)
        self._nudge.set()

    async def _poll(self) -> None:
        while True:
            self._nudge.clear()
            await self.refresh()
            # No more than four rounds a second, whatever asks for news.
            await asyncio.sleep(VISIBLE_SECONDS / 2)
            rest = (VISIBLE_SECONDS if self._visible else HIDDEN_SECONDS) - VISIBLE_SECONDS / 2
            with suppress(TimeoutError):
                async with asyncio.timeout(rest):
                    await self._nudge.wait()

    def _set_trouble(self, error: ApiError | None) -> None:
        if (error is None) != (self.trouble is None):
            self.trouble = error
            self.reachable_changed.emit(error)
