"""What is left out of the bundles, decided by names alone."""

import pytest
from bundles.contents import BUNDLES, orphans, unused
from packages.places import version

import central
import desktop
import peer_core


@pytest.mark.parametrize(
    "name",
    [
        "PySide6/Qt/lib/libQt6Qml.so.6",
        "PySide6/QtQml.abi3.so",
        "PySide6/Qt/plugins/platforms/libqeglfs.so",
        "PySide6/Qt/plugins/platformthemes/libqgtk3.so",
        "PySide6/Qt/plugins/tls/libqopensslbackend.so",
        "PySide6/Qt/qml/QtQuick/qmldir",
        "PySide6/Qt/translations/qtbase_de.qm",
        "PySide6/Qt6Quick.dll",
        "PySide6/opengl32sw.dll",
        "PySide6/QtOpenGL.pyd",
        "PySide6/plugins/tls/qschannelbackend.dll",
        "PySide6\\plugins\\platforms\\qdirect2d.dll",
        "PySide6/Qt/lib/QtQml.framework/Versions/A/QtQml",
        "libQt6Quick.so.6",
        "grpc/_cython/_credentials/roots.pem",
    ],
)
def test_what_is_left_out(name: str) -> None:
    assert unused([name]) == [name]


@pytest.mark.parametrize(
    "name",
    [
        "PySide6/Qt/lib/libQt6Core.so.6",
        "PySide6/Qt/lib/libicudata.so.73",
        "PySide6/QtCore.abi3.so",
        "PySide6/libpyside6.abi3.so.6.11",
        "PySide6/Qt/plugins/platforms/libqxcb.so",
        "PySide6/Qt/translations/qtbase_es.qm",
        "PySide6/plugins/platforms/qwindows.dll",
        "PySide6/Qt6Core.dll",
        "PySide6/Qt/lib/QtGui.framework/Versions/A/QtGui",
        "PySide6/Qt/plugins/platforms/libqcocoa.dylib",
        "shiboken6/Shiboken.abi3.so",
        "libxkbcommon.so.0",
        "certifi/cacert.pem",
        "desktop/resources/style.qss",
    ],
)
def test_what_stays(name: str) -> None:
    assert unused([name]) == []


def test_libraries_that_nothing_needs_go_with_what_they_need() -> None:
    needs = {
        "plugin": ["libused"],
        "libused": ["libdeep"],
        "libdeep": [],
        "libgone": ["libgone-too", "libdeep"],
        "libgone-too": ["libgone"],
    }
    loose = {"libused", "libdeep", "libgone", "libgone-too"}
    assert orphans(needs, loose) == {"libgone", "libgone-too"}


def test_only_the_window_has_qt_and_all_have_one_version() -> None:
    assert {name for name, programs in BUNDLES.items() if any("desktop" in p.packages for p in programs)} == {"barrio"}
    assert {version(), central.__version__, desktop.__version__, peer_core.__version__} == {version()}
