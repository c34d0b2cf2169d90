"""Limits in the window, against a real peer: fields saved and refused in place, hours, the turtle by one click."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from window_kit import Drive, shell_of, until

from desktop.api import Source, Transfer
from desktop.app import Desktop
from desktop.arguments import Options
from desktop.hours import Hours, hours_from
from desktop.models.transfers import TransfersModel
from desktop.views.limit_fields import HoursField, LimitField
from desktop.words import Words


async def values_of(desktop: Desktop) -> dict[str, Any]:
    assert desktop.session is not None
    return {s.key: s.value for s in await desktop.session.client.settings()}


def type_into(field: Any, text: str) -> None:
    assert isinstance(field, LimitField)
    field.edit.setFocus()
    field.edit.setText(text)
    QTest.keyClick(field.edit, Qt.Key.Key_Return)


def test_limits_are_saved_and_refused_in_place(member: Path, drive: Drive) -> None:
    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        shell.go("settings")
        fields = await until(lambda: shell.settings.fields, "the settings")
        message = shell.settings.limits.message
        up = fields["upload_rate"]
        assert isinstance(up, LimitField) and up.edit.text() == "" and up.edit.placeholderText() == "No limit"
        type_into(up, "800")
        await until(lambda: message.text() == "Saved", "the word that it is saved")
        assert up.edit.text() == "800 kB/s" and (await values_of(desktop))["upload_rate"] == 800_000
        message.setText("")
        type_into(up, "fast")
        await until(lambda: "500K" in message.text(), "the peer's sentence")
        assert up.edit.text() == "fast" and up.edit.property("wrong") == "true"
        type_into(up, "")
        await until(lambda: message.text() == "Saved", "the word that it is saved")
        assert (await values_of(desktop))["upload_rate"] == 0
        message.setText("")
        type_into(fields["slow_download_rate"], "1.5 MB/s")
        await until(lambda: message.text() == "Saved", "the word that it is saved")
        type_into(fields["upload_slots"], "3")
        await until(lambda: fields["upload_slots"].edit.text() == "3", "the slots")  # type: ignore[union-attr]
        await asyncio.sleep(0.1)
        values = await values_of(desktop)
        assert values["slow_download_rate"] == 1_500_000 and values["upload_slots"] == 3

    drive(Options(member), scenario)


def test_the_turtle_switches_by_one_click_and_shows_what_others_switch(member: Path, drive: Drive) -> None:
    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        session = desktop.session
        turtle = shell.status_bar.slow
        assert session is not None
        await until(lambda: "on" in turtle.accessibleName(), "the turtle")
        assert turtle.text().strip() == ""
        QTest.mouseClick(turtle, Qt.MouseButton.LeftButton)
        await until(lambda: turtle.text().strip() == "Slow mode", "slow mode")
        assert session.status is not None and session.status.slow and session.status.limit_sent == 100_000
        assert shell.settings.limits.slow.isChecked()
        assert shell.settings.limits.state.text() == "Switched on by hand"
        access = json.loads((member / "local-api.json").read_text("utf-8"))
        headers = {"Authorization": f"Bearer {access['token']}"}
        async with httpx.AsyncClient(base_url=access["url"], headers=headers, trust_env=False) as script:
            answer = await script.patch("/v1/settings", json={"slow_mode": False})
            assert answer.status_code == 200
        await until(lambda: turtle.text().strip() == "", "the end of slow mode")
        shell.go("settings")
        await until(lambda: shell.settings.fields, "the settings")
        QTest.mouseClick(shell.settings.limits.slow, Qt.MouseButton.LeftButton)
        await until(lambda: session.status and session.status.slow, "slow mode by the settings")

    drive(Options(member), scenario)


def test_hours_are_chosen_by_days_and_times(member: Path, drive: Drive) -> None:
    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        desktop.choose_language("es")
        shell = await shell_of(desktop)
        shell.go("settings")
        fields = await until(lambda: shell.settings.fields, "the settings")
        hours = fields["slow_schedule"]
        assert isinstance(hours, HoursField)
        assert [button.text() for button in hours.days] == ["lun", "mar", "mié", "jue", "vie", "sáb", "dom"]
        for day in range(7):
            hours.days[day].click()
        hours.start.setCurrentText("00:00")
        hours.end.setCurrentText("24:00")
        hours.end.activated.emit(48)
        message = shell.settings.limits.message
        await until(lambda: message.text() == "Guardado", "the word that it is saved")
        assert desktop.session is not None
        client = desktop.session.client

        async def written() -> str:
            return str((await values_of(desktop))["slow_schedule"])

        for _ in range(100):
            if await written() == "daily 00:00-24:00":
                break
            await asyncio.sleep(0.02)
        assert await written() == "daily 00:00-24:00"
        several = "mon 09:00-10:00; sat 22:15-02:00"
        await client.change_settings({"slow_schedule": several})
        shell.settings.load()
        await until(lambda: not hours.several.isHidden(), "the hours as they are")
        assert hours.text.text() == several and hours.simple.isHidden()
        hours.remove.click()
        await until(lambda: not hours.simple.isHidden(), "the days to choose")
        assert await written() == "" and not any(button.isChecked() for button in hours.days)

    drive(Options(member), scenario)


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("", Hours()),
        ("daily 09:00-18:00", Hours(frozenset(range(7)))),
        ("mon-fri 22:15-02:00", Hours(frozenset(range(5)), "22:15", "02:00")),
        ("mon,wed 00:00-24:00", Hours(frozenset({0, 2}), "00:00", "24:00")),
        ("mon 09:00-10:00; sat 10:00-11:00", None),
        ("someday 09:00-10:00", None),
        ("every full moon", None),
    ],
)
def test_hours_of_the_peer(text: str, hours: Hours | None) -> None:
    assert hours_from(text) == hours


def test_waiting_in_line_is_said() -> None:
    ana = Source("a" * 52, "Ana", "in-line", 1, 5, 0.0, 0, "Ana serves others now.")
    bruno = Source("b" * 52, "Bruno", "lost", 0, 0, 0.0, 1, "gone")
    fields: dict[str, Any] = dict.fromkeys(("content_id", "name", "path", "folder"), "x")
    fields |= dict.fromkeys(("pieces", "pieces_done", "bytes_done"), 1)
    waiting = Transfer(
        "1", **fields, size=5, state="running", rate=0.0, eta_seconds=None, error=None, created=None, finished=None,
        sources=(ana, bruno),
    )  # fmt: skip
    for language, state, said in (
        ("en", "In line", "waiting in line at Ana"),
        ("es", "En la cola", "esperando en la cola de Ana"),
    ):
        model = TransfersModel(Words(language))
        assert model.state_text(waiting) == state
        assert model.from_text(waiting) == said
