"""What the window remembers (language, theme, place on the screen, hosted central): `window.ini`. Qt's thread."""

from pathlib import Path

from PySide6.QtCore import QByteArray, QSettings


class WindowSettings:
    """Written as they change; a file that cannot be written costs nothing but the memory."""

    def __init__(self, data_dir: Path) -> None:
        self._file = QSettings(str(data_dir / "window.ini"), QSettings.Format.IniFormat)

    @property
    def language(self) -> str:
        return str(self._file.value("window/language", ""))

    @language.setter
    def language(self, choice: str) -> None:
        self._file.setValue("window/language", choice)

    @property
    def theme(self) -> str:
        return str(self._file.value("window/theme", "system"))

    @theme.setter
    def theme(self, choice: str) -> None:
        self._file.setValue("window/theme", choice)

    @property
    def geometry(self) -> QByteArray:
        value = self._file.value("window/geometry")
        return value if isinstance(value, QByteArray) else QByteArray()

    @geometry.setter
    def geometry(self, value: QByteArray) -> None:
        self._file.setValue("window/geometry", value)

    @property
    def hosts_central(self) -> bool:
        return self._file.value("central/hosted", False, type=bool) is True

    @hosts_central.setter
    def hosts_central(self, hosted: bool) -> None:
        self._file.setValue("central/hosted", hosted)

    @property
    def central_listen(self) -> str:
        """Where the hosted central listens; the port of enrolment stands beside it."""
        return str(self._file.value("central/listen", "0.0.0.0:51015"))

    @central_listen.setter
    def central_listen(self, address: str) -> None:
        self._file.setValue("central/listen", address)

    @property
    def central_enrol(self) -> str:
        """Empty: the port after that of `central_listen`."""
        return str(self._file.value("central/enrol", ""))

    @central_enrol.setter
    def central_enrol(self, address: str) -> None:
        self._file.setValue("central/enrol", address)

    @property
    def read_notices(self) -> frozenset[str]:
        """Titles of the notices that the person has closed."""
        return frozenset(filter(None, str(self._file.value("window/read_notices", "")).split("\n")))

    @read_notices.setter
    def read_notices(self, titles: frozenset[str]) -> None:
        self._file.setValue("window/read_notices", "\n".join(sorted(titles)))

    def save(self) -> None:
        self._file.sync()
