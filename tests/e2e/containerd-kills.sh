#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Containers come and go below containerd, four at a time, while sandboxd is killed with -9 at random moments. No container is
# lost, each exit status is right, and containerd's list is what is true. KILLS_CONTAINERS=200 is the long form; a failure
# names its seed: KILLS_SEED.

. "$top_srcdir/tests/e2e/ctr-lib.sh"

total=${KILLS_CONTAINERS:-40}
RANDOM=${KILLS_SEED:=$$}
echo "# seed $KILLS_SEED"

container_number() { # N: its life, and what is wrong with it in $T/wrong
        local id=c$1 status=$(($1 % 120)) out got

        case $(($1 % 4)) in
        0 | 1) # its status and output are seen by the one who waits for it
                out=$(CTR_OPTIONS=--rm ctr_run "$id" sh -c "echo $id; exit $status")
                got=$?
                case "$got $out" in
                "$status $id") ;;
                "$status ") echo "$id" >>"$T/silent" ;;
                *) echo "$id: run ended with \"$got $out\", not \"$status $id\"" >>"$T/wrong" ;;
                esac
                return
                ;;
        2) CTR_OPTIONS="-d --null-io" ctr_run "$id" sh -c "sleep 0.$1; exit $status" >"$T/out/$id" || echo "$id: run: $(cat "$T/out/$id")" >>"$T/wrong" ;;
        3)
                CTR_OPTIONS="-d --null-io" ctr_run "$id" sleep 1000 >"$T/out/$id" || echo "$id: run: $(cat "$T/out/$id")" >>"$T/wrong"
                out=$(ctr task exec --exec-id e "$id" sh -c "echo x$id; exit $status" 2>&1)
                got=$?
                [ "$got $out" = "$status x$id" ] || echo "$id: exec ended with \"$got $out\", not \"$status x$id\"" >>"$T/wrong"
                ctr task kill -s KILL "$id" >"$T/out/$id" 2>&1 || echo "$id: kill: $(cat "$T/out/$id")" >>"$T/wrong"
                status=137
                ;;
        esac
        eventually task_is "$id" STOPPED || echo "$id: is $(task_status "$id"), not STOPPED" >>"$T/wrong"
        out=$(ctr task delete "$id" 2>&1)
        got=$?
        [ "$got" = "$status" ] || [[ $out == *"exit code $status"* ]] || echo "$id: delete ended with \"$got $out\", not $status" >>"$T/wrong"
        ctr container delete "$id" >"$T/out/$id" 2>&1 || echo "$id: container delete: $(cat "$T/out/$id")" >>"$T/wrong"
}

worker() { # FIRST: every fourth from there
        local n

        for ((n = $1; n <= total; n += 4)); do
                container_number "$n"
        done
}

kill_sandboxd() { # at random moments, as long as there are workers
        local pid kills=0

        while [ ! -e "$T/over" ]; do
                read -r -t "$((RANDOM % 2)).$((RANDOM % 9 + 1))" <>"$T/clock" || true
                pid=$(daemon_pid)
                [ -n "$pid" ] && kill -KILL "$pid" 2>/dev/null && kills=$((kills + 1))
                eventually eval '[ "$(daemon_pid)" != "'"$pid"'" ] && answers'
        done
        echo "$kills" >"$T/kills"
}

exits_of() { # ID: the statuses of its init's exit events
        sed -n 's,.* /tasks/exit {,{,p' "$T/events" | gojq -r --arg id "$1" 'select(.container_id == $id and .id == $id) | .exit_status // 0' |
                sort -u | paste -sd' '
}

check_events() {
        local n id wanted

        for ((n = 1; n <= total; n++)); do
                id=c$n wanted=$((n % 4 == 3 ? 137 : n % 120))
                eventually saw "$id" delete || echo "$id: no event of its delete: $(topics_of "$id")" >>"$T/wrong"
                [ "$(exits_of "$id")" = "$wanted" ] || echo "$id: exit events say \"$(exits_of "$id")\", not $wanted" >>"$T/wrong"
                [[ $(topics_of "$id") == "create start "*"delete" ]] || echo "$id: events: $(topics_of "$id")" >>"$T/wrong"
        done
}

ctr_start
mkfifo "$T/clock"
: >"$T/wrong"
: >"$T/silent"
for i in 1 2 3; do
        CTR_OPTIONS="-d --null-io" ctr_run "stays$i" sleep 100000 | note
done
before=$(ctr task ls | sort)
kill_sandboxd &
killer=$!
workers=
for i in 1 2 3 4; do
        worker "$i" &
        workers="$workers $!"
done
# shellcheck disable=SC2086 # they are several
wait $workers
: >"$T/over"
wait "$killer"
ok $? "$total containers, while sandboxd was killed $(cat "$T/kills") times"
[ "$(cat "$T/kills")" -ge $((total / 12)) ]
ok $? "which is often enough to say something"
is "$(ctr task ls | sort)" "$before" "containerd's list is what it was, with the same pids"
check_events
is "$(head -n 20 "$T/wrong")" "" "no container lost, no exit status wrong, no event missing (seed $KILLS_SEED)"
# The known gap: a create that was killed on its way is undone and made anew, and between the two its client's FIFO has no
# writer, so that a client which reads already takes it for the end.
if [ -s "$T/silent" ]; then
        skip "what they said has come" "not of those whose create was undone: $(paste -sd' ' "$T/silent")"
else
        ok 0 "what they said has come"
fi
for i in 1 2 3; do
        ctr task kill -s KILL "stays$i" && eventually task_is "stays$i" STOPPED
        like "$(ctr task delete "stays$i" 2>&1)" "*exit code 137*" "one that ran all the time can be killed and deleted"
        ctr container delete "stays$i"
done
ctr_done
