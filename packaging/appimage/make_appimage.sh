#!/bin/sh
# Makes an AppImage of the tarball that `./barrio package` made. Wants appimagetool and its run-time, which a release
# machine has: APPIMAGETOOL names the one, APPIMAGE_RUNTIME the file of the other.
set -eu
cd "$(dirname "$0")/../.."
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
machine=$(uname -m)
dist=${BARRIO_DIST:-dist}
tarball=$dist/barrio-$version-linux-$machine.tar.gz
[ -f "$tarball" ] || { echo "$tarball is not there; run ./barrio package first" >&2; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
lib=$folder/usr/lib/barrio
mkdir -p "$lib" "$folder/usr/share/metainfo"
tar -xzf "$tarball" -C "$lib" --strip-components=1
cp packaging/appimage/AppRun "$folder/AppRun"
chmod 755 "$folder/AppRun"
cp "$lib/barrio.desktop" "$folder/barrio.desktop"
cp "$lib/barrio.svg" "$folder/barrio.svg"
ln -s barrio.svg "$folder/.DirIcon"
cp "$lib/org.barrio.Barrio.metainfo.xml" "$folder/usr/share/metainfo/org.barrio.Barrio.appdata.xml"
if [ "${1:-}" = --folder ]; then
    # Only the folder, to look at.
    cp -a "$folder" "$2"
    exit 0
fi
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)} ARCH=$machine "${APPIMAGETOOL:-appimagetool}" \
    ${APPIMAGE_RUNTIME:+--runtime-file "$APPIMAGE_RUNTIME"} "$folder" "$dist/barrio-$version-$machine.AppImage"
