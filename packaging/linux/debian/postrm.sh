#!/bin/sh
set -e
if [ "$1" = remove ] || [ "$1" = purge ]; then
    if [ -d /run/systemd/system ]; then
        systemctl --system daemon-reload >/dev/null || true
    fi
fi
if [ "$1" = remove ] && [ -x /usr/bin/deb-systemd-helper ]; then
    deb-systemd-helper mask @NAME@.service >/dev/null || true
fi
if [ "$1" = purge ]; then
    if [ -x /usr/bin/deb-systemd-helper ]; then
        deb-systemd-helper purge @NAME@.service >/dev/null || true
        deb-systemd-helper unmask @NAME@.service >/dev/null || true
    fi
    rmdir /etc/barrio 2>/dev/null || true
    # What was shared, joined or founded is its owner's, and so is the user that may read it.
    if [ ! -e /var/lib/@NAME@ ] || rmdir /var/lib/@NAME@ 2>/dev/null; then
        userdel @NAME@ 2>/dev/null || true
    else
        echo "@NAME@: /var/lib/@NAME@ holds data and was left there; remove it yourself when you need it no more"
    fi
fi
