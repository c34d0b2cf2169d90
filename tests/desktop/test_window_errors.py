"""What goes wrong is said in the person's language, whoever says it: the central, this peer, the disk, another peer."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import HeadlessPeer
from PySide6.QtWidgets import QLabel, QWidget
from window_kit import RECORDING, Barrio, Drive, shell_of, until

from desktop.api import ApiError, Member
from desktop.app import Desktop
from desktop.arguments import Options
from desktop.views.first_run import FirstRunPage
from desktop.views.folder_view import Place
from desktop.window_settings import WindowSettings


@pytest.fixture
def spanish(data_dir: Path) -> Path:
    settings = WindowSettings(data_dir)
    settings.language = "es"
    settings.save()
    return data_dir


@pytest.fixture
def small_disk(data_dir: Path) -> Iterator[Path]:
    """Where downloads go: 2 MiB in all."""
    folder = data_dir.parent / "downloads"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def texts(widget: QWidget) -> list[str]:
    return [label.text() for label in widget.findChildren(QLabel) if label.text()]


def test_a_refused_invite(barrio: Barrio, spanish: Path, tmp_path: Path, drive: Drive) -> None:
    used = barrio.central.invite()
    HeadlessPeer(tmp_path / "other", "Other", used)

    async def scenario(desktop: Desktop) -> None:
        page = await until(lambda: desktop.window.stack.currentWidget(), "a page")
        await until(lambda: isinstance(desktop.window.stack.currentWidget(), FirstRunPage), "the first page")
        page = desktop.window.stack.currentWidget()
        assert isinstance(page, FirstRunPage)
        page.join_button.click()
        await until(page.banner.isVisible, "the refusal")
        assert texts(page.banner) == [
            "El barrio no ha dejado entrar a este equipo",
            "Esta invitación ya se ha gastado; pide una nueva",
        ]

    drive(Options(spanish, link=used), scenario)


def test_a_folder_that_cannot_be_shared_and_one_that_cannot_be_sent(
    barrio: Barrio, spanish: Path, member: Path, tmp_path: Path, drive: Drive
) -> None:
    inside = tmp_path / "Fotos" / "2024"
    inside.mkdir(parents=True)

    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        shell.library.add([str(inside.parent)])
        await until(lambda: shell.library.model.rowCount() == 1, "the share")
        shell.library.add([str(inside)])
        await until(lambda: not shell.library.banner.isHidden(), "the refusal")
        assert texts(shell.library.banner) == [
            "Ya está",
            f"{inside} está dentro de «Fotos» y se comparte con ella.",
        ]
        await shell.offers._session.client.send([str(inside)], [barrio.ana.peer_id])
        shell.go("offers")
        model = shell.offers.model
        offer = (await until(lambda: [o for o in model.rows if o.state == "failed"], "the failure"))[0]
        assert model.second_text(offer).endswith("  ·  No contiene ningún archivo.")

    drive(Options(spanish), scenario)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="mounts a small disk")
def test_a_full_disk(barrio: Barrio, spanish: Path, member: Path, small_disk: Path, drive: Drive) -> None:
    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        page, client = shell.transfers, shell.transfers._session.client
        shell.go("transfers")
        rows = await until_found(desktop, RECORDING)
        transfer = await client.download(rows, RECORDING)
        row = (await until(lambda: [t for t in page.model.rows if t.error], "the full disk"))[0]
        page.table.selectRow(0)
        await until(lambda: not page.details.banner.isHidden(), "why it waits")
        title, detail = texts(page.details.banner)
        assert row.id == transfer.id and title == "El disco está lleno"
        assert detail.startswith(f"No hay sitio en {small_disk}: hacen falta ") and " MB y hay " in detail
        assert detail.endswith(" libres. Haz sitio y sigue sola.")

    drive(Options(spanish), scenario)


def test_somebody_who_does_not_answer(
    barrio: Barrio, spanish: Path, member: Path, tmp_path: Path, drive: Drive
) -> None:
    bea = HeadlessPeer(tmp_path / "bea", "Bea", barrio.central.invite()).start()
    assert bea.program is not None
    program, peer_id = bea.program, bea.peer_id

    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        client = shell.offers._session.client
        await until(lambda: shell.status_bar.neighbour.text(), "a neighbour")
        assert not (await client.shares_of(peer_id)).entries
        program.kill()
        shell.neighbourhood.visit(Place(Member(peer_id, "Bea", False), ()))
        with pytest.raises(ApiError) as refused:
            await client.shares_of(peer_id)
        error = refused.value
        detail = desktop.context.words.problem(error.code, error.title, error.detail)[1]
        # Until the central notices, and afterwards.
        assert detail in (
            "No se llega a Bea (ahí no escucha nadie).",
            "Esa persona no está conectada ahora; inténtalo cuando lo esté.",
        )

    with program:
        drive(Options(spanish), scenario)


async def until_found(desktop: Desktop, name: str) -> str:
    """The content id of a file of that name, once the barrio tells of it."""
    session = desktop.session
    assert session is not None
    await until(lambda: session.status and session.status.primary, "a neighbour")
    return next(row.content_id for row in (await session.client.search(name)).rows if row.name == name)
