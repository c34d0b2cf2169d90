"""What a source needs of its download. Pure."""

from typing import Protocol

from peer_core.content import Manifest
from peer_core.errors import BarrioError
from peer_core.limits.intake import Intake
from peer_core.transfer.bitmap import Bitmap
from peer_core.transfer.picker import Run


class Work(Protocol):
    """Calls come from the source's thread."""

    manifest: Manifest
    # Whether others may have of it what is here.
    public: bool

    def take(self, key: str) -> Run | None:
        """The next run; waits a while when there is none, then gives an empty one; None: the work is over."""

    def take_ahead(self, key: str) -> Run | None:
        """A run to be asked for while another is under way; None where others need it, or there is none."""

    def has(self, key: str, pieces: Bitmap, coming: Bitmap) -> None:
        """What a partial source has by now, and what it is fetching."""

    def told(self, peer_ids: list[str]) -> None:
        """Members that download the same."""

    def accept(self, key: str, piece: int, data: memoryview) -> bool:
        """Keeps a verified piece; False when it was here already. Raises StorageError."""

    def wanted(self, piece: int) -> bool:
        """Whether nobody has brought it yet."""

    def suspected(self, key: str) -> None:
        """The source sent a wrong piece: it gets one piece at a time, until it is `cleared`."""

    def cleared(self, key: str) -> None: ...

    def give_back(self, key: str, run: Run) -> None: ...

    def received(self, count: int) -> None:
        """Counts bytes as they come in."""

    @property
    def intake(self) -> Intake:
        """How fast they may."""

    def stalled(self, key: str) -> None:
        """The source will not move for a while: others may take over what it works on."""

    def ended(self, key: str, error: BarrioError | None) -> None:
        """The source does no more; the error says why."""
