#!/bin/sh
# Starts Barrio from this folder, wherever it lies: ./start.sh [LINK], ./start.sh peer VERB…, ./start.sh central VERB…
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "$0")")" && pwd -P)
program=barrio
case ${1:-} in
    peer | central)
        program=barrio-$1
        shift
        ;;
esac
if [ "$program" = barrio ] && command -v ldconfig >/dev/null 2>&1; then
    known=$(ldconfig -p 2>/dev/null || /sbin/ldconfig -p 2>/dev/null || true)
    needed="libEGL.so.1 libGL.so.1 libxcb.so.1"
    [ -z "${WAYLAND_DISPLAY:-}" ] || needed="$needed libwayland-client.so.0 libwayland-cursor.so.0"
    for library in $needed; do
        case $known in
            *"$library"* | "") ;;
            *) echo "barrio: this system has no $library, which the window needs; on Debian and Ubuntu:" \
                "apt-get install libegl1 libgl1 libxcb1 libwayland-client0 libwayland-cursor0" >&2 ;;
        esac
    done
fi
# Qt complains where nobody says how text is written.
[ -n "${LC_ALL:-}${LC_CTYPE:-}${LANG:-}" ] || export LANG=C.UTF-8
exec "$here/app/$program" "$@"
