#!/bin/sh
# A menu entry for this folder's Barrio, for the user alone; `--remove` takes it away.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "$0")")" && pwd -P)
share=${XDG_DATA_HOME:-$HOME/.local/share}
entry=$share/applications/barrio.desktop
icon=$share/icons/hicolor/scalable/apps/barrio.svg
case ${1:-} in
    "")
        mkdir -p "${entry%/*}" "${icon%/*}"
        cp "$here/barrio.svg" "$icon"
        # In an entry, a path is quoted, and these characters are escaped twice.
        escaped=$(printf '%s' "$here" | sed 's/\\/\\\\\\\\/g; s/["`$]/\\\\&/g; s/%/%%/g')
        while IFS= read -r line; do
            case $line in
                Exec=*) printf 'Exec="%s/start.sh" %%u\n' "$escaped" ;;
                TryExec=*) ;;
                *) printf '%s\n' "$line" ;;
            esac
        done <"$here/barrio.desktop" >"$entry"
        ;;
    --remove) rm -f "$entry" "$icon" ;;
    *)
        echo "usage: ./install-menu.sh [--remove]" >&2
        exit 2
        ;;
esac
if command -v update-desktop-database >/dev/null 2>&1; then
    update-desktop-database -q "$share/applications" 2>/dev/null || true
fi
