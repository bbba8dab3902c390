#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs inside the booted tree, as a unit; writes TAP to /out/tap and powers off. See check-systemd.sh. DRIVER_ONLY: the first
# part of it.

exec >>/out/tap 2>>/out/err
: >/out/begun
trap 'journalctl -u sandboxd --no-pager >/out/journal 2>&1; echo "1..$n" ; : >/out/done; eval "${AT_END-}"; systemctl poweroff --force --force' EXIT
n=0
ok() { # STATUS NAME
        n=$((n + 1))
        [ "$1" = 0 ] && echo "ok $n - $2" || { echo "not ok $n - $2"; systemctl status sandboxd --no-pager 2>&1 | head -n 12 | sed 's/^/# /'; }
}
is() { # GOT WANTED NAME
        [ "$1" = "$2" ]
        ok $? "$3"
        [ "$1" = "$2" ] || printf '#   got:    %s\n#   wanted: %s\n' "$1" "$2"
}
eventually() { # COMMAND...
        local deadline=$((SECONDS + ${PATIENCE:-60}))
        until "$@" >/dev/null 2>&1; do
                [ "$SECONDS" -lt "$deadline" ] || return 1
                sleep 0.05
        done
}

PATH=/usr/local/sbin:/usr/local/bin:$PATH
mount -o remount,rw /sys/fs/cgroup 2>/dev/null
for c in $(awk '$3 == "cgroup" { print $2 }' /proc/mounts); do mount -o "remount,rw,bind" "$c"; done
mkdir -p /rootfs/bin /rootfs/proc /rootfs/dev /rootfs/sys
cp "$(command -v busybox)" /rootfs/bin/busybox
for c in sh sleep cat echo stty seq; do ln -sf busybox "/rootfs/bin/$c"; done

pid_of() { sandboxctl --timeout 5s --format json info | gojq -r .pid; }
main() { systemctl show -p MainPID --value sandboxd; }
another() { local now; now=$(pid_of) && [ -n "$now" ] && [ "$now" != null ] && [ "$now" != "$1" ]; }
below() { [ "$(ps -o ppid= -p "$(pid_of)" | tr -d ' ')" = "$(main)" ]; }
stored() { systemctl show -p NFileDescriptorStore --value sandboxd; }
has() { [ "$(stored)" -ge "$1" ]; }
running() { [ "$(sandboxctl --format json state "$1" | gojq -r '(if type == "array" then .[0] else . end).process.status')" = running ]; }
all_run() { # with all of the many, as the same processes
        local one

        for one in "$@"; do running "$one" || return 1; done
        [ -z "${many-}" ] || [ "$(pids_of_many)" = "$many" ]
}
waiter() { # ID STATUS
        sandboxctl run -d --runtime "$RUNTIME" --rootfs /rootfs "$1" -- sh -c "trap 'exit $2' TERM; while :; do sleep 0.05; done" >/dev/null
}

# What runc and crun of Debian 12 and runsc want of a host like this one.
[ ! -d /sys/fs/cgroup/memory ] || [ -d /sys/fs/cgroup/hugetlb ] || { mkdir /sys/fs/cgroup/hugetlb && mount -t cgroup -o hugetlb none /sys/fs/cgroup/hugetlb; }
mkdir -p /etc/sandboxd /usr/local/etc/sandboxd
printf '[runtimes.runsc]\noptions = ["--platform=ptrace", "--network=none"]\n' | tee /etc/sandboxd/sandboxd.toml >/usr/local/etc/sandboxd/sandboxd.toml

systemctl start sandboxd
ok $? "the unit starts: Type=notify"
is "$(systemctl is-active sandboxd)" active "it is active"
eventually below
ok $? "the keeper is the main process, sandboxd its child"

# The runtimes' systemd driver: the cgroup is that of a unit which systemd makes. Only with a tree that has a bus.
for one in ${DRIVER:+runc crun}; do
        mkdir -p "/run/s-$one"
        sandboxctl spec --memory 64m --rootfs /rootfs -- sleep 1000 |
                gojq '.linux.cgroupsPath = "sbx-e2e.slice:sbx:'"$one"'"' >"/run/s-$one/config.json"
        /usr/local/bin/rpc -t 60 /run/sandboxd/sandboxd.sock create "{\"id\": \"s-$one\", \"runtime\": \"$one\", \"bundle\": \"/run/s-$one\", \"systemd_cgroup\": true}" >&2 &&
                sandboxctl start "s-$one"
        ok $? "$one with the systemd driver"
        cgroup=$(sandboxctl --format json state "s-$one" | gojq -r '(if type == "array" then .[0] else . end).cgroup')
        case $cgroup in
        */sbx.slice/sbx-e2e.slice/sbx-"$one".scope*) ok 0 "... its cgroup is that of the unit: $cgroup" ;;
        # on v1 crun takes its unit's cgroup of memory for that of the unit: here systemd makes none, since the host's
        # hierarchies could not be written when it was started
        /container) ok 0 "... its cgroup is that of the unit # SKIP systemd has no cgroups of memory here" ;;
        *) ok 1 "... its cgroup is that of the unit: $cgroup" ;;
        esac
        is "$(sandboxctl --format json stats --no-stream "s-$one" | gojq -r .memory.limit)" 67108864 "... with its limit"
        sandboxctl delete -f "s-$one" >/dev/null
        ok $? "... removed"
        gone() { ! systemctl is-active "sbx-$one.scope"; }
        eventually gone
        ok $? "... and so is the unit"
done

[ -z "${DRIVER_ONLY-}" ] || exit 0

RUNTIME=${RUNTIME:-runc}
for i in a b c d e f; do waiter "$i" 4; done
eventually all_run a b c d e f || { ok 1 "containers run"; exit; }
ok 0 "containers run"
for ((i = 1; i <= CONTAINERS; i++)); do
        sandboxctl run -d --runtime "$RUNTIME" --rootfs /rootfs "many$i" -- sleep 1000000 >/dev/null || echo "many$i does not run" >&2
done
n_running() { sandboxctl --format json list | gojq '[(if type == "array" then . else .containers end)[] | select(.detail == "running")] | length'; }
are_running() { [ "$(n_running)" = "$1" ]; }
pids_of_many() { sandboxctl --format json list | gojq -r '[(if type == "array" then . else .containers end)[] | select(.id | startswith("many")) | "\(.id) \(.pid)"] | sort | join(",")'; }
many=$(pids_of_many)
eventually has $((6 + CONTAINERS))
ok $? "systemd has a backup of what is stored: $(stored) descriptors, of $(n_running) containers"
is "$(systemd-analyze security --no-pager sandboxd.service | sed -n 's/.*exposure level for sandboxd.service: \([0-9.]*\).*/\1/p')" \
        "$(sed -n 's/.*"systemd-analyze security" says \([0-9.]*\) .*/\1/p' "$(systemctl show -p FragmentPath --value sandboxd)")" "systemd-analyze security says what the unit says"

# A terminal, whose client is this script.
mkfifo /run/in /run/screen
exec {screen}<>/run/screen {keys}<>/run/in
mkdir -p /run/b
sandboxctl spec -t --rootfs /rootfs -- sh -c 'stty -echo; echo begin; while read -r line; do echo "got $line"; done' >/run/b/config.json
/usr/local/bin/rpc -t 60 /run/sandboxd/sandboxd.sock create "{\"id\": \"tty\", \"ns\": \"default\", \"runtime\": \"$RUNTIME\", \"bundle\": \"/run/b\", \"terminal\": true, \"stdin_path\": \"/run/in\", \"stdout_path\": \"/run/screen\"}" >/dev/null &&
        sandboxctl start tty
shows() { # TEXT NAME
        local line
        while read -r -t 20 line <&"$screen"; do
                [ "${line%$'\r'}" != "$1" ] || { ok 0 "$2"; return; }
        done
        ok 1 "$2"
}
says() { # WORD NAME
        echo "$1" >&"$keys"
        shows "got $1" "$2"
}
shows begin "a terminal"

old=$(pid_of)
kill -KILL "$old"
eventually another "$old"
ok $? "kill -9 of sandboxd: there is another"
all_run a b c d e f tty
ok $? "... all containers run"
says one "... the terminal goes on"
sandboxctl kill -s TERM a
is "$(sandboxctl wait a)" 4 "... statuses are known"

old=$(pid_of) keeper=$(main)
kill -KILL "$keeper"
new_keeper() { local now; now=$(main); [ "$now" != 0 ] && [ "$now" != "$1" ]; }
eventually new_keeper "$keeper"
ok $? "kill -9 of the keeper: systemd starts another"
eventually another "$old" && eventually below
ok $? "... whose sandboxd takes over"
all_run b c d e f tty
ok $? "... all containers run"
says two "... the terminal goes on"
sandboxctl kill -s TERM b
b=$(sandboxctl wait b)
[ "$b" = 4 ] || [ "$b" = 255 ]
ok $? "... an end is seen: $b"

# Both in the same instant, and a container meanwhile: only the pidfd that systemd has can tell, and only since Linux 6.15.
old=$(pid_of) keeper=$(main)
c=$(sandboxctl --format json state c | gojq -r '(if type == "array" then .[0] else . end).process.pid')
eventually has 5
kill -STOP "$old"
kill -KILL "$keeper" "$old"
kill -TERM "$c"
eventually another "$old" && eventually below
ok $? "kill -9 of both at once: both are started again"
all_run d e f tty
ok $? "... all containers run"
says three "... the terminal goes on: systemd had its backup"
c=$(sandboxctl wait c)
[ "$c" = 4 ] || [ "$c" = 255 ]
ok $? "... the status of what ended just then: $c (255: unknown, before Linux 6.15)"

old=$(pid_of)
systemctl restart sandboxd
ok $? "restart"
eventually another "$old" && all_run d e f tty
ok $? "... all containers run"
says four "... the terminal goes on"

old=$(pid_of) keeper=$(main)
systemctl reload sandboxd
ok $? "reload"
eventually another "$old" && eventually below
ok $? "... another sandboxd"
is "$(main)" "$keeper" "... below the same keeper"
is "$(systemctl is-active sandboxd)" active "... and the unit was active all the time"
says five "... the terminal goes on"

mkdir -p /run/systemd/system/sandboxd.service.d
printf '[Service]\nWatchdogSec=5\n' >/run/systemd/system/sandboxd.service.d/short.conf
systemctl daemon-reload
systemctl restart sandboxd
eventually below
old=$(pid_of) keeper=$(main)
kill -STOP "$old"
eventually another "$old"
ok $? "a sandboxd that stands still is killed by the watchdog, and started again"
is "$(main)" "$keeper" "... by its keeper, which stays"
kill -STOP "$keeper"
eventually new_keeper "$keeper"
ok $? "a keeper that stands still is killed by systemd's watchdog, and started again"
eventually below
ok $? "... and its sandboxd takes over"
all_run d e f tty
ok $? "... all containers run"
says six "... the terminal goes on"

sandboxctl kill -s TERM d
sandboxctl delete --force b c d e f tty a >/dev/null 2>&1
for ((i = 1; i <= CONTAINERS; i++)); do sandboxctl delete --force "many$i" >/dev/null || echo "many$i is not removed" >&2; done
is "$(sandboxctl --format json list | gojq 'if type == "array" then length else (.containers // [] | length) end')" 0 "all can be removed"
none() { [ "$(stored)" = 0 ]; }
eventually none
ok $? "nothing is stored any more"
systemctl stop sandboxd
is "$(systemctl show -p Result --value sandboxd)" success "it stops in order"
