#!/bin/sh
# A machine of its own for the commands of a document: its own /etc, /var, /run, users, processes and network, all gone at
# the end. CHECKOUT and PYTHON are folders that its users must be able to read; COMMANDS is a folder of scripts to run.
set -eu
mount -t tmpfs tmpfs /mnt
mkdir -p /mnt/bin /mnt/etc /mnt/var/lib /mnt/var/backups /mnt/var/tmp /mnt/commands
cp -a /etc/. /mnt/etc
cp "$COMMANDS"/* /mnt/commands
number=0
for folder in "$CHECKOUT" "$PYTHON"; do
    number=$((number + 1))
    mkdir /mnt/keep$number
    mount --bind "$folder" /mnt/keep$number
done
number=0
for folder in "$CHECKOUT" "$PYTHON"; do
    number=$((number + 1))
    top=/$(echo "$folder" | cut -d/ -f2)
    case $(stat -c %A "$top") in
        *x) continue ;;
    esac
    # Nobody but root gets through there: another folder takes its place.
    mountpoint -q "$top" || mount -t tmpfs -o mode=755 tmpfs "$top"
    mkdir -p "$folder"
    mount --bind /mnt/keep$number "$folder"
done
mount --bind /mnt/etc /etc
mount --bind /mnt/var /var
mount -t tmpfs -o mode=755 tmpfs /run
ip link set lo up
for name in barrio-central barrio-peer; do
    printf '#!/bin/sh\nexec %s/.venv/bin/%s "$@"\n' "$CHECKOUT" $name >/mnt/bin/$name
    # As the package does.
    useradd --system --user-group --home-dir /var/lib/$name --no-create-home --shell /usr/sbin/nologin $name
    install -d -m 0700 -o $name -g $name /var/lib/$name
    mkdir -p /etc/barrio
    echo "data_dir = \"/var/lib/$name\"" >/etc/barrio/${name#barrio-}.toml
    chown root:$name /etc/barrio/${name#barrio-}.toml
    chmod 0640 /etc/barrio/${name#barrio-}.toml
done
cp "$CHECKOUT/tests/support/systemctl.sh" /mnt/bin/systemctl
chmod 755 /mnt/bin/*
echo "127.0.0.1 central.example.org" >>/etc/hosts
export PATH=/mnt/bin:$PATH HOME=/root
cd /mnt
for script in /mnt/commands/*; do
    echo "== $(basename "$script")"
    sh -eu "$script" 2>&1 || { echo "failed: $script"; tail -n 30 /run/barrio-stand-in/*.log 2>/dev/null; exit 1; }
done
systemctl stop barrio-peer
systemctl stop barrio-central
echo "== end"
