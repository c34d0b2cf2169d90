"""Where the key's passphrase is kept: the system's keyring, or a file of mode 0600. The one wrapper of `keyring`.

`keyring` may block for ever on a locked or headless system, so each call runs in a thread with a time limit.
"""

import logging
import os
import threading
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

from peer_core.data_folder import write_private
from peer_core.errors import StorageError
from peer_core.system_words import system_words

SERVICE = "Barrio"
LIMIT_SECONDS = 3.0
log = logging.getLogger("barrio.identity")


class KeyStore(Enum):
    KEYRING = "keyring"
    FILE = "file"


def keep(folder: Path, account: str, passphrase: str) -> KeyStore:
    """Keeps a new passphrase and says where. Raises StorageError."""
    if _in_keyring(lambda keyring: _set_and_check(keyring, account, passphrase)):
        return KeyStore.KEYRING
    log.warning("no keyring answers: the passphrase of this device's key is kept in a file that only you can read")
    write_private(folder / "passphrase", passphrase.encode())
    return KeyStore.FILE


def recall(folder: Path, account: str, store: KeyStore) -> str:
    """The passphrase from where it was kept; never looks elsewhere. Raises StorageError."""
    if store is KeyStore.FILE:
        try:
            return (folder / "passphrase").read_text("utf-8")
        except OSError as error:
            raise StorageError(
                "The passphrase file in {folder} cannot be read ({reason}).",
                "passphrase-unreadable",
                folder=folder,
                reason=system_words(error),
            ) from error
    passphrase = _in_keyring(lambda keyring: keyring.get_password(SERVICE, account))
    if not isinstance(passphrase, str):
        raise StorageError(
            "The system's keyring does not give out this device's key; unlock it and start again.", "keyring-closed"
        )
    return passphrase


def _set_and_check(keyring: Any, account: str, passphrase: str) -> bool:
    keyring.set_password(SERVICE, account, passphrase)
    return bool(keyring.get_password(SERVICE, account) == passphrase)


def _in_keyring(call: Callable[[Any], Any]) -> Any:
    """The call's result, or None when no trustworthy keyring answers in time."""
    if os.environ.get("BARRIO_KEYRING", "").lower() == "off":
        return None
    result: list[Any] = []

    def work() -> None:
        try:
            import keyring

            if _trustworthy(keyring.get_keyring()):
                result.append(call(keyring))
        except Exception as error:  # each backend has errors of its own
            log.info("the keyring does not work here: %s", type(error).__name__)

    thread = threading.Thread(target=work, name="keyring", daemon=True)
    thread.start()
    thread.join(LIMIT_SECONDS)
    return result[0] if result else None


def _trustworthy(backend: Any) -> bool:
    """False for backends that keep nothing (fail, null) or keep plain text (keyrings.alt)."""
    parts = getattr(backend, "backends", None) or [backend]
    modules = [type(part).__module__ for part in parts]
    return not any(m.startswith(("keyring.backends.fail", "keyring.backends.null", "keyrings.alt")) for m in modules)
