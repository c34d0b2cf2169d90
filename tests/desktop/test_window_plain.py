"""Text from others is harmless: nothing invisible, no markup, no mnemonic; programs are known by their name."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtGui import Qt

from desktop.plain import LIMIT, as_label, as_tooltip, plain, runs_when_opened


@given(st.text())
def test_plain_is_one_short_visible_line(text: str) -> None:
    shown = plain(text)
    assert len(shown) <= LIMIT
    for character in shown:
        assert unicodedata.category(character) not in ("Cc", "Cs", "Co", "Zl", "Zp")
        assert unicodedata.bidirectional(character) not in (
            "RLO",
            "LRO",
            "RLE",
            "LRE",
            "PDF",
            "RLI",
            "LRI",
            "FSI",
            "PDI",
        )
    assert plain(shown) == shown


def test_direction_marks_cannot_hide_an_extension() -> None:
    assert plain("cuenta\u202etxt.exe") == "cuentatxt.exe"
    assert plain("a\u2066b\u2069c\u200fd\ufeff") == "abcd"
    assert plain("two\nlines\tand\rmore\x00") == "two lines and more"
    assert plain("niño 子 👩‍👧") == "niño 子 👩‍👧"


def test_tooltips_escape_markup() -> None:
    tooltip = as_tooltip("<b>&amp;</b>\u202e")
    assert Qt.mightBeRichText(tooltip)
    assert tooltip == "<qt>&lt;b&gt;&amp;amp;&lt;/b&gt;</qt>"
    assert as_tooltip("") == ""


def test_labels_keep_ampersands() -> None:
    assert as_label("Rhythm & blues") == "Rhythm && blues"


PROGRAMS = """
    a.exe A.EXE x.sh x.desktop photo.jpg.scr x.py a.vbs x.js .exe a.msi a.ps1 a.apk a.dmg a.jar a.hta
    x.terminal x.fileloc x.inetloc x.webloc x.tool x.action x.scpt x.applescript x.mpkg x.command
    x.msc x.appref-ms x.application x.settingcontent-ms x.search-ms x.library-ms x.website x.chm x.jnlp x.xll x.diagcab
    x.wsb x.rdp x.msix x.appx x.msixbundle x.gadget x.inf x.lnk x.url
    x.iso x.img x.vhd x.VHDX x.flatpakref x.snap x.bash x.zsh x.csh x.ksh
    x.docm x.xlsm x.pptm x.dotm x.xltm
"""


@pytest.mark.parametrize("name", [*PROGRAMS.split(), "x.exe. ."])
def test_programs(name: str) -> None:
    assert runs_when_opened(name)


@pytest.mark.parametrize(
    "name", ["a.pdf", "exe", "sh.txt", "photo.jpg", "", "archive.tar.gz", "x.json", "a.docx", "a.flac", "..", "ms"]
)
def test_no_programs(name: str) -> None:
    assert not runs_when_opened(name)
