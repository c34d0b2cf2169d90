#!/bin/sh
set -e
[ "$1" = configure ] || exit 0

if ! getent passwd @NAME@ >/dev/null; then
    useradd --system --user-group --home-dir /var/lib/@NAME@ --no-create-home --shell /usr/sbin/nologin @NAME@
fi
install -d -m 0700 -o @NAME@ -g @NAME@ /var/lib/@NAME@
if [ -z "$2" ]; then
    # A password of a database may be written there.
    chown root:@NAME@ /etc/barrio/@SETTINGS@
    chmod 0640 /etc/barrio/@SETTINGS@
fi

deb-systemd-helper unmask @NAME@.service >/dev/null || true
if deb-systemd-helper --quiet was-enabled @NAME@.service; then
    deb-systemd-helper enable @NAME@.service >/dev/null || true
else
    deb-systemd-helper update-state @NAME@.service >/dev/null || true
fi
if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
    if [ -n "$2" ]; then action=try-restart; else action=start; fi
    deb-systemd-invoke "$action" @NAME@.service >/dev/null || true
fi
