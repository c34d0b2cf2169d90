"""What a job's end means for its transfers. Called by the job's thread."""

import logging

from peer_core.errors import BarrioError, CentralMisbehavedError, NetworkError, NoSourceError, StorageError
from peer_core.transfer.job import Job, Stopped
from peer_core.transfer.record import trouble_of
from peer_core.transfer.small import SmallJob
from peer_core.transfer.types import TransferState, Trouble

log = logging.getLogger("barrio.transfer")


def outcome_of(job: Job | SmallJob) -> tuple[TransferState, Trouble | None]:
    """Runs the job to its end, and says what its record becomes."""
    try:
        job.run()
    except Stopped:
        return TransferState.QUEUED, None
    except (NetworkError, NoSourceError, CentralMisbehavedError) as error:
        return TransferState.WAITING, trouble_of(error)
    except StorageError as error:
        return TransferState.PAUSED, trouble_of(error)
    except BarrioError as error:
        return TransferState.FAILED, trouble_of(error)
    except Exception:
        if job.stopping:
            # What it used was taken away under it; it goes on at the next start.
            return TransferState.QUEUED, None
        log.exception("a download failed by a mistake in the program")
        return TransferState.FAILED, trouble_of(
            BarrioError("Barrio made a mistake; its log says more. Try again.", "mistake-again")
        )
    return TransferState.DONE, None
