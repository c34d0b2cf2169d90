#!/bin/sh
# Stands in for systemd where it does not run: starts a service as its own user with its own settings, and ends it.
set -eu
case $1 in
    start | restart | stop) ;;
    *) exit 0 ;;
esac
name=$2
case $name in
    barrio-central) verb=serve file=central ;;
    barrio-peer) verb=run file=peer ;;
    *) echo "systemctl: no service $name" >&2; exit 5 ;;
esac
state=/run/barrio-stand-in
mkdir -p $state
if [ "$1" != start ] && [ -s $state/$name.pid ]; then
    kill "$(cat $state/$name.pid)"
    while kill -0 "$(cat $state/$name.pid)" 2>/dev/null; do sleep 0.05; done
    rm $state/$name.pid
fi
[ "$1" != stop ] || exit 0
# An earlier run's line would pass for this one's.
: >$state/$name.out
BARRIO_CONFIG=/etc/barrio/$file.toml setpriv --reuid=$name --regid=$name --clear-groups -- \
    $name $verb >$state/$name.out 2>$state/$name.log &
echo $! >$state/$name.pid
for _ in $(seq 600); do
    if grep -q ^ready $state/$name.out; then exit 0; fi
    kill -0 "$(cat $state/$name.pid)" 2>/dev/null || break
    sleep 0.05
done
cat $state/$name.log >&2
exit 1
