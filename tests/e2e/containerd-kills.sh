#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Containers come and go below containerd, four at a time, while sandboxd, the front and the keeper are killed with -9 at
# random moments. No container is lost, each exit status and each output is right, no event is missing or there twice, and
# containerd's list is what is true. KILLS_CONTAINERS=n is for more; with KILLS=n there are as many as it takes to kill n
# times; KILLS_WHO="sandboxd front" says whom. A failure names its seed: KILLS_SEED.

. "$top_srcdir/tests/e2e/ctr-lib.sh"
. "$top_srcdir/tests/e2e/manager-lib.sh"

total=${KILLS_CONTAINERS:-12}
: "${KILLS:=0}" "${KILLS_WHO:=sandboxd front keeper}"
read -r -a victims <<<"$KILLS_WHO"
RANDOM=${KILLS_SEED:=$$}
echo "# seed $KILLS_SEED"

# ctr gives up reading an output that it has not come to open when it learns of the end, so what talks lives for a while.
container_number() { # N: its life, and what is wrong with it in $T/wrong
        local id=c$1 status=$(($1 % 120)) out got

        case $(($1 % 4)) in
        0 | 1) # its status and output are seen by the one who waits for it
                out=$(CTR_OPTIONS=--rm ctr_run "$id" sh -c "echo $id; sleep 0.5; exit $status")
                got=$?
                [ "$got $out" = "$status $id" ] || echo "$id: run ended with \"$got $out\", not \"$status $id\"" >>"$T/wrong"
                return
                ;;
        2) CTR_OPTIONS="-d --null-io" ctr_run "$id" sh -c "sleep 0.$1; exit $status" >"$T/out/$id" || echo "$id: run: $(cat "$T/out/$id")" >>"$T/wrong" ;;
        3)
                CTR_OPTIONS="-d --null-io" ctr_run "$id" sleep 1000 >"$T/out/$id" || echo "$id: run: $(cat "$T/out/$id")" >>"$T/wrong"
                ctr task exec --exec-id short "$id" sh -c "exit $status" >"$T/out/$id" 2>&1
                got=$?
                [ "$got" = "$status" ] || echo "$id: a short exec ended with \"$got $(cat "$T/out/$id")\", not $status" >>"$T/wrong"
                out=$(ctr task exec --exec-id e "$id" sh -c "echo x$id; sleep 0.5; exit $status" 2>&1)
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

        for ((n = $1; n <= total || $(wc -l <"$T/kills") < KILLS; n += 4)); do
                container_number "$n"
                echo "$n" >>"$T/numbers"
        done
}

front_pid() {
        local pid

        pid=$(gojq -r '.pid // 0' "$ROOT"/fronts/* 2>/dev/null)
        [ "${pid:-0}" -gt 0 ] && grep -qzxF "$SOCKET" "/proc/$pid/cmdline" 2>/dev/null && echo "$pid"
}

kill_one() { # WHOM; waits until it has a successor
        local pid

        case $1 in
        front)
                pid=$(front_pid) && kill -KILL "$pid" 2>/dev/null && echo "$1" >>"$T/kills" || return 1
                ;;
        sandboxd)
                pid=$(daemon_pid)
                [ -n "$pid" ] && kill -KILL "$pid" 2>/dev/null && echo "$1" >>"$T/kills"
                eventually eval '[ "$(daemon_pid)" != "'"$pid"'" ] && answers'
                ;;
        keeper) # its sandboxd makes way for that of the next
                pid=$(the_keeper)
                kill -KILL "$pid" && echo "$1" >>"$T/kills"
                eventually below "$pid"
                ;;
        esac
}

kill_them() { # at random moments, as long as there are workers
        local pause victim

        for victim in "${victims[@]}"; do eventually kill_one "$victim"; done
        while [ ! -e "$T/over" ]; do
                pause=$((RANDOM % 2)).$((RANDOM % 9 + 1))
                [ "$KILLS" = 0 ] || pause=0.$((RANDOM % 5))$((RANDOM % 9 + 1))
                read -r -t "$pause" <>"$T/clock" || true
                kill_one "${victims[RANDOM % ${#victims[@]}]}"
        done
}

exits_of() { # ID: the statuses of its init's exit events
        grep -F "\"container_id\":\"$1\"" "$T/events" | sed -n 's,.* /tasks/exit {,{,p' | gojq -r --arg id "$1" 'select(.container_id == $id and .id == $id) | .exit_status // 0' |
                sort -u | paste -sd' '
}

check_events() {
        local n id wanted topics

        for n in $(sort -n "$T/numbers"); do
                id=c$n wanted=$((n % 4 == 3 ? 137 : n % 120))
                eventually saw "$id" delete || echo "$id: no event of its delete: $(topics_of "$id")" >>"$T/wrong"
                [ "$(exits_of "$id")" = "$wanted" ] || echo "$id: exit events say \"$(exits_of "$id")\", not $wanted" >>"$T/wrong"
                topics=$(topics_of "$id" | sed 's/exec-[a-z]* //g')
                # told at least once: twice, where the kill was between containerd's answer and our note of it
                [ "$(tr ' ' '\n' <<<"$topics" | uniq | paste -sd' ')" = "create start exit delete" ] || echo "$id: events: $(topics_of "$id")" >>"$T/wrong"
        done
}

ctr_start
mkfifo "$T/clock"
: >"$T/wrong"
: >"$T/kills"
for i in 1 2 3; do
        CTR_OPTIONS="-d --null-io" ctr_run "stays$i" sleep 100000 | note
done
before=$(ctr task ls | sort) began=$SECONDS
kill_them &
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
ok 0 "$(wc -l <"$T/numbers") containers in $((SECONDS - began)) s, while these were killed: $(sort "$T/kills" | uniq -c | xargs)"
is "$(sort -u "$T/kills")" "$(printf '%s\n' "${victims[@]}" | sort -u)" "each of them, that is"
is "$(ctr task ls | sort)" "$before" "containerd's list is what it was, with the same pids"
check_events
is "$(head -n 20 "$T/wrong")" "" "no container lost, no exit status wrong, no output or event missing (seed $KILLS_SEED)"
for i in 1 2 3; do
        ctr task kill -s KILL "stays$i" && eventually task_is "stays$i" STOPPED
        like "$(ctr task delete "stays$i" 2>&1)" "*exit code 137*" "one that ran all the time can be killed and deleted"
        ctr container delete "stays$i"
done
eventually nothing_stored
ok $? "and nothing of any is stored"
stored | note
ctr_done
