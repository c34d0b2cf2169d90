#!/bin/sh
# Makes the disk image for macOS after PyInstaller, from the root of the checkout, on a Mac:
#   BARRIO_CODESIGN_IDENTITY="Developer ID Application: …" python -m PyInstaller packaging/bundles/barrio.spec
#   BARRIO_CODESIGN_IDENTITY="Developer ID Application: …" BARRIO_NOTARY_PROFILE=… packaging/macos/make_dmg.sh
# Without an identity the image is for trying out on the machine that made it.
set -eu
cd "$(dirname "$0")/../.."
app=dist/Barrio.app
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
image=dist/barrio-$version-macos-$(uname -m).dmg
[ -d "$app" ] || { echo "$app is not there; run PyInstaller first" >&2; exit 1; }
if [ -n "${BARRIO_CODESIGN_IDENTITY:-}" ]; then
    codesign --force --deep --options runtime --timestamp --entitlements packaging/macos/entitlements.plist \
        --sign "$BARRIO_CODESIGN_IDENTITY" "$app"
    codesign --verify --deep --strict "$app"
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp -R "$app" "$folder/"
cp LICENSE "$folder/LICENSE.txt"
ln -s /Applications "$folder/Applications"
rm -f "$image"
hdiutil create -volname Barrio -srcfolder "$folder" -fs HFS+ -format UDZO "$image"
if [ -n "${BARRIO_CODESIGN_IDENTITY:-}" ]; then
    codesign --timestamp --sign "$BARRIO_CODESIGN_IDENTITY" "$image"
fi
if [ -n "${BARRIO_NOTARY_PROFILE:-}" ]; then
    xcrun notarytool submit "$image" --keychain-profile "$BARRIO_NOTARY_PROFILE" --wait
    xcrun stapler staple "$image"
fi
shasum -a 256 "$image"
