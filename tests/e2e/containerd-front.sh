#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The front is killed with -9, again and again, below a real containerd: with containers that run, calls in flight, a storm
# of new ones, together with sandboxd. containerd must notice nothing but a pause. Then nobody needs the front, and it ends.
# FRONT_CONTAINERS=n is for a longer storm; a thousand kills are some 500.

. "$top_srcdir/tests/e2e/ctr-lib.sh"

killer_pid=
: "${FRONT_CONTAINERS:=18}"

run() { # ID COMMAND..., and is removed
        CTR_OPTIONS=--rm ctr_run "$@"
}
front_pid() { # of the one front, which runs
        local pid

        pid=$(gojq -r '.pid // 0' "$ROOT"/fronts/* 2>/dev/null)
        [ "${pid:-0}" -gt 0 ] && grep -qz "^$SOCKET\$" "/proc/$pid/cmdline" 2>/dev/null && echo "$pid"
}
kill_front() { # and waits for the next
        local pid

        eventually front_pid >/dev/null
        pid=$(front_pid)
        kill -9 "$pid"
        eventually next_front "$pid"
}
next_front() { # NOT-THIS-PID
        local pid

        pid=$(front_pid)
        [ -n "$pid" ] && [ "$pid" != "$1" ]
}
no_front() {
        [ -z "$(front_pid)" ]
}
sandboxd_pid() {
        "$CTL" --socket "$SOCKET" info --format json 2>/dev/null | gojq -r .pid
}
sandboxd_answers() { # NOT-THIS-PID
        local pid

        pid=$(sandboxd_pid)
        [ -n "$pid" ] && [ "$pid" != "$1" ]
}
kept() { # how many descriptors the keeper has
        ls "/proc/$keeper_pid/fd" | wc -l
}
kept_is() { # NUMBER
        [ "$(kept)" = "$1" ]
}
stop_killer() {
        [ -n "$killer_pid" ] || return 0
        kill "$killer_pid" 2>/dev/null
        wait "$killer_pid" 2>/dev/null
        killer_pid=
}

ctr_start
trap 'stop_killer; ctr_cleanup' EXIT
idle=$(kept)

# --- one kill, with a container that runs, and one that is waited for ---
CTR_OPTIONS=-d ctr_run a sleep 1000 >"$T/out/a"
ok $? "a container runs"
note <"$T/out/a"
run b sh -c 'sleep 3; exit 7' >/dev/null &
waiting=$!
eventually task_is b RUNNING
ctr task exec --exec-id e1 a sh -c 'sleep 2; echo finished; exit 5' >"$T/exec" 2>&1 &
executing=$!
eventually eval 'ctr task ps a 2>/dev/null | grep -q e1'
for i in 1 2 3; do
        kill_front
        ok $? "the front is killed, and there is another"
done
is "$(task_status a)" RUNNING "the container runs"
is "$(ctr task exec --exec-id e2 a echo still here)" "still here" "and takes an exec"
wait $executing
is "$?" 5 "an exec that ran ended as it should have"
is "$(cat "$T/exec")" finished "with its output"
wait $waiting
is "$?" 7 "and so did a container that was waited for"
ctr task pause a && task_is a PAUSED && kill_front && task_is a PAUSED && ctr task resume a
ok $? "pause and resume around a kill"

# --- what it may do ---
awk '/^(Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp):/ { print $1 $2 }' "/proc/$(front_pid)/status" >"$T/status"
is "$(xargs <"$T/status")" "CapInh:0000000000000000 CapPrm:0000000000000000 CapEff:0000000000000000 CapBnd:0000000000000000 CapAmb:0000000000000000 NoNewPrivs:1 Seccomp:2" \
        "the front has no capability, gets no privilege, and is filtered"

# --- a request that is larger than the socket's buffer ---
long=$(head -c 90000 /dev/zero | tr '\0' x)
for i in 1 2 3; do
        kill_front &
        is "$(ctr task exec --exec-id "big$i" a sh -c 'echo ${#1} ${#9}' sh "$long" 2 3 "$long" "$long" "$long" "$long" 8 "$long")" \
                "90000 90000" "an exec with 540 KB of arguments, and a kill meanwhile"
        wait $!
done

# --- a storm of kills, and of containers ---
killer() {
        while sleep "0.$((RANDOM % 3))$((RANDOM % 10))"; do
                pid=$(front_pid) && kill -9 "$pid" && echo "$pid"
        done
}
killer >"$T/kills" 2>/dev/null &
killer_pid=$!
one() { # N: made, executed in, stopped, deleted
        local status

        CTR_OPTIONS=-d ctr_run "s$1" sh -c 'sleep 1000' >"$T/s$1.out" || { echo "s$1: run: $(cat "$T/s$1.out")"; return; }
        ctr task exec --exec-id e "s$1" sh -c "exit $(($1 % 100 + 1))" "$long" "$long" "$long" >"$T/s$1.out" 2>&1
        status=$?
        [ $status = $(($1 % 100 + 1)) ] || echo "s$1: exec: $status, not $(($1 % 100 + 1)): $(cat "$T/s$1.out")"
        ctr task kill -s KILL "s$1" >"$T/s$1.out" 2>&1 || echo "s$1: kill: $(cat "$T/s$1.out")"
        eventually task_is "s$1" STOPPED || echo "s$1: it is $(task_status "s$1")"
        ctr task delete "s$1" >"$T/s$1.out" 2>&1
        grep -q 'exit code 137' "$T/s$1.out" || echo "s$1: delete: $(cat "$T/s$1.out")"
        ctr container delete "s$1"
}
several() { # FIRST
        for ((n = $1; n < FRONT_CONTAINERS; n += 3)); do one $n; done
}
several 0 >"$T/wrong0" 2>&1 &
pids=$!
several 1 >"$T/wrong1" 2>&1 &
pids="$pids $!"
several 2 >"$T/wrong2" 2>&1
wait $pids
stop_killer
is "$(cat "$T"/wrong?)" "" "$FRONT_CONTAINERS containers, each with an exec and killed, while the front is killed again and again"
kills=$(wc -l <"$T/kills")
[ "$kills" -ge 8 ]
ok $? "it was ($kills times)"
is "$(task_status a)" RUNNING "the first container still runs"

# --- together with sandboxd ---
run c sh -c 'sleep 3; exit 9' >/dev/null &
waiting=$!
eventually task_is c RUNNING
for i in 1 2 3; do
        old=$(sandboxd_pid)
        kill -9 "$old" "$(front_pid)"
        eventually sandboxd_answers "$old"
        ok $? "sandboxd and the front are killed in the same moment"
done
is "$(task_status a)" RUNNING "the container runs"
wait $waiting
is "$?" 9 "the status of another is right"
is "$(ctr task exec --exec-id e3 a echo here)" here "an exec"

# --- the end: nobody is connected, nothing is kept ---
pid=$(front_pid)
ctr task delete -f a >/dev/null 2>&1
ctr container delete a
eventually no_front
ok $? "without a container there is no front"
! [ -e "/proc/$pid" ]
ok $? "it has ended"
eventually kept_is $((idle + 1))
ok $? "the keeper has no descriptor of it, but its listening socket"
is "$(run d echo hello)" hello "the next container gets a new one"
is "$(grep -c 'dropped\|given up\|cannot go on' "$LOG")" 0 "nothing had to be given up"

ctr_done
