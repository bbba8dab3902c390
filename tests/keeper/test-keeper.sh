# SPDX-License-Identifier: Apache-2.0
# sandboxd-keeper: restarts, orphans' statuses, the descriptor store, signals, and that nothing makes it die.

# A keeper that died leaves a FIFO without a reader: the test must fail then, and not wait for ever.
if [ -z "${TEST_LIMITED-}" ]; then
        TEST_LIMITED=1 exec timeout --kill-after=20 300 bash "$0" "$@"
fi

. "$top_srcdir/tests/tap.sh"
need "$top_builddir/sandboxd-keeper" "$top_builddir/tests/keeper/stand-in"
dir=$(mktemp -d) || exit 1
keeper=
finish() {
        [ -z "$keeper" ] || stop
        rm -rf "$dir"
}
trap finish EXIT

start() { # ARGUMENTS of the keeper
        rm -rf "$dir"
        mkdir "$dir"
        mkfifo "$dir/ctl"
        : >"$dir/log"
        "$top_builddir/sandboxd-keeper" --root "$dir/root" "$@" -- "$top_builddir/tests/keeper/stand-in" "$dir" >"$dir/out" 2>"$dir/err" &
        keeper=$!
        eventually runs 1
}
stop() { # the keeper first: it would start another
        kill -9 "$keeper" 2>/dev/null
        wait "$keeper" 2>/dev/null
        kill -9 "$(pid)" 2>/dev/null
        keeper=
}
runs() { [ "$(grep -c '^start' "$dir/log")" -ge "$1" ]; }
logged() { grep -q -- "$1" "$dir/log"; }
lines() { [ "$(grep -c -- "$1" "$dir/log")" -ge "$2" ]; }
pid() { sed -n 's/^start \([0-9]*\) .*/\1/p' "$dir/log" | tail -n 1; }
tell() { # LINE: and waits until it is done
        local before
        before=$(grep -c "^done ${1%% *}" "$dir/log")
        echo "$1" >"$dir/ctl"
        eventually lines "^done ${1%% *}" $((before + 1)) || echo "# not done: $1"
}
again() { # kills the stand-in, and waits for the next
        local n
        n=$(grep -c '^start' "$dir/log")
        kill -9 "$(pid)"
        eventually runs $((n + 1))
}
last_run() { sed -n '/^start/{h;d};H;${x;p}' "$dir/log"; } # what the last one logged
fds_of() { ls "/proc/$1/fd" | wc -l; }
passed() { last_run | sed -n 's/^start.*\(fds=.*\) for-us.*/\1/p'; }
ended() { ! kill -0 "$1" 2>/dev/null; }
reaped() { # waits for the keeper's own end
        local status
        eventually ended "$keeper" || return 99
        wait "$keeper"
        status=$?
        keeper=
        return $status
}

# --- restarts ---
start
ok $? "starts sandboxd"
like "$(cat "$dir/log")" "start * fds=0 names= for-us=0 blocked=0 open=0*" "... with nothing open and no signal blocked"
eventually logged end-of-backlog
ok $? "... and an empty backlog"
first=$(pid)
again
ok $? "kill -9: starts it again"
[ "$first" != "$(pid)" ]
ok $? "... a new one"
like "$(grep 'signal 9' "$dir/err")" "*again in 0 ms*" "... at once"
for i in 1 2 3; do again; done
is "$(grep -o 'again in [0-9]* ms' "$dir/err" | xargs)" "again in 0 ms again in 10 ms again in 20 ms again in 40 ms" \
        "then with more and more delay"
for sig in HUP USR1 INT; do
        kill -$sig "$keeper"
        eventually logged "signal $sig"
        ok $? "$sig is forwarded"
done
stop
start
tell "on-term 3"
kill -TERM "$keeper"
reaped
is $? 3 "TERM: ends with sandboxd's status"
logged 'signal TERM'
ok $? "... which was told"
[ ! -e "$dir/root/keeper.notify" ]
ok $? "... and removes its socket"
start
echo "exit 0" >"$dir/ctl"
reaped
is "$?/$(grep -c '^start' "$dir/log")" "0/1" "sandboxd ends with 0: so does the keeper"
start
echo "exit 2" >"$dir/ctl"
reaped
is "$?/$(grep -c '^start' "$dir/log")" "2/1" "sandboxd ends with 2 (bad configuration): it is not tried again"
start
"$top_builddir/sandboxd-keeper" --root "$dir/root" -- /bin/true 2>"$dir/err2"
is $? 1 "a second keeper for the same root is refused"
like "$(cat "$dir/err2")" "*another sandboxd-keeper*" "... and says why"
stop
"$top_builddir/sandboxd-keeper" --store-max 1x -- /bin/true 2>/dev/null
is $? 2 "usage: a bad number"
"$top_builddir/sandboxd-keeper" 2>/dev/null
is $? 2 "usage: no program"
mkdir -p "$dir/root"
"$top_builddir/sandboxd-keeper" --root "$dir/root" -- "$dir/nothing" 2>"$dir/err" &
keeper=$!
tried() { [ "$(grep -c 'No such file' "$dir/err")" -ge 4 ]; }
eventually tried
ok $? "a program that is not there is tried again"
kill -TERM $keeper
reaped
is $? 0 "... until TERM, also while nothing runs"

# --- orphans ---
start
mkfifo "$dir/go1" "$dir/go2" "$dir/go3"
tell "hold $dir/go1 42"
tell "hold $dir/go2 43"
tell "hold $dir/go3 44"
read -r p1 p2 p3 < <(sed -n 's/^held //p' "$dir/log" | xargs)
start_time() { sed 's/.*) //' "/proc/$1/stat" | cut -d' ' -f20; }
s1=$(start_time "$p1") s2=$(start_time "$p2") s3=$(start_time "$p3")
again
: >"$dir/go1"
eventually logged "status $p1 $s1 $((42 << 8)) dated"
ok $? "an orphan's status is told, live, with its start time"
is "$(last_run | grep -n end-of-backlog)" "2:end-of-backlog" "... after the end of the backlog"
: >"$dir/go2"
eventually logged "status $p2"
again
eventually logged end-of-backlog
eventually lines end-of-backlog 3
is "$(last_run | tail -n +2 | cut -d' ' -f1-4 | head -n 3)" "status $p1 $s1 $((42 << 8))
status $p2 $s2 $((43 << 8))
end-of-backlog" "the next one is told again: in order, then the end of the backlog"
tell "forget $p1 $s2"
tell "forget $p1 $s1"
tell "forget 99999999 1"
kill -9 "$p3"
eventually logged "status $p3 $s3 9 dated"
ok $? "a signal's status"
again
eventually lines end-of-backlog 4
is "$(last_run | tail -n +2 | cut -d' ' -f1-2)" "status $p2
status $p3
end-of-backlog" "what was forgotten is not told again, the rest is"
tell "send 00"
tell "send $(printf '%064d' 0)"
tell "send $(printf '%0128d' 1)"
again && kill -0 "$keeper"
ok $? "bad records do no harm"
stop

# --- a flood of orphans ---
start
tell "deaf"
rss() { awk '/^VmRSS/ {print $2}' "/proc/$keeper/status"; }
before=$(rss)
tell "orphans 10000 7"
no_zombies() { ! grep -qs "^[0-9]* (.*) Z $keeper " /proc/[0-9]*/stat; }
eventually no_zombies
ok $? "10,000 orphans, sandboxd deaf: all are reaped"
again
eventually logged end-of-backlog
all_told() { [ "$(last_run | grep -c " $((7 << 8)) dated")" = 10000 ]; }
eventually all_told
ok $? "... and told to the next, which is not"
is "$(last_run | grep '^status' | sort | uniq -d | wc -l)" 0 "... each once"
after=$(rss)
[ $((after - before)) -lt 2048 ]
ok $? "... in $((after - before)) KiB"
stop
start
tell forget-all
tell "orphans 100 8"
eventually lines " $((8 << 8)) dated" 100
again
eventually lines end-of-backlog 2
is "$(last_run | grep -c '^status')" 0 "what is forgotten as it is told is not told again"
stop

# --- the descriptor store ---
start --store-max 20
echo content >"$dir/file"
tell "store file - $dir/file"
tell "store hung FDPOLL=0 hung"
tell "store polled - hung"
tell "store toolongname FDPOLL=0 $dir/file"
tell "store b/d FDPOLL=0 $dir/file"
tell "store file - $dir/file"
again
is "$(passed)" "fds=3 names=file:hung:file" "stored: not what hung up, but with FDPOLL=0; no bad names"
like "$(last_run)" "*for-us=1 * open=0*" "... with LISTEN_PID, and nothing else is open"
tell "cat 0"
last_run | grep -q "read 8 content"
ok $? "... and they are what was stored"
tell "cat 1"
last_run | grep -q "read 0 "
ok $? "... the hung up one too"
tell "notify FDSTOREREMOVE=1|FDNAME=file"
again
is "$(passed)" "fds=1 names=hung" "FDSTOREREMOVE takes all of that name"
tell "notify FDSTOREREMOVE=1|FDNAME=hung"
again
is "$(passed)" "fds=0 names=" "none left: no LISTEN_FDS"
tell "fill many 30"
again
is "$(passed | cut -d' ' -f1)" "fds=20" "--store-max is a limit"
is "$(grep -c 'store a descriptor' "$dir/err")" 1 "... told once"
stop
start
tell "fill many 1500"
again
is "$(passed | cut -d' ' -f1)" "fds=1500" "1500 stored"
n=$(fds_of "$keeper")
for i in 1 2 3; do again; done
is "$(passed | cut -d' ' -f1)" "fds=1500" "... passed again and again"
# one descriptor more may be open for a moment while a child is started
leaked() { [ "$(fds_of "$keeper")" -gt $((n + 1)) ]; }
leaked
is $? 1 "... none leaked"
tell "notify FDSTOREREMOVE=1|FDNAME=many"
# Stored in the last moment of its life: the datagram is older than the death.
printf 'store last FDPOLL=0 %s\nabort\n' "$dir/ctl" >"$dir/ctl"
eventually runs 6
is "$(passed)" "fds=1 names=last" "what was stored just before it died is there"
stop

# --- the backup of the store ---
up() { sed -n 's/^up //p' "$dir/log"; }
backed() { [ "$(up | grep -c '^FDSTORE=1')" = "$1" ]; }
NOTIFY_SOCKET=$dir/up start
tell listen
tell "store one FDPOLL=0 $dir/ctl"
eventually logged '^up FDSTORE=1'
ok $? "what is stored is stored above too"
tell "store two FDPOLL=0 $dir/log"
tell "notify FDSTOREREMOVE=1|FDNAME=one"
eventually logged '^up FDSTOREREMOVE=1'
ok $? "... and dropped there"
is "$(grep -A3 -E '^up FDSTORE' "$dir/log" | grep -E '^(up )?FD' | sed 's/^up //' | paste -sd' ')" \
        "FDSTORE=1 FDPOLL=0 FDNAME=one FDSTORE=1 FDPOLL=0 FDNAME=two FDSTOREREMOVE=1 FDNAME=one" "... by its name"
tell deaf
tell "fill many 100"
tell hear
eventually backed 102
ok $? "... all of it, however slowly it reads"
stop
rm -rf "$dir"
mkdir "$dir"
mkfifo "$dir/ctl"
: >"$dir/log"
echo back >"$dir/file"
(
        exec 3<"$dir/file" 4<"$dir/file" 5<"$dir/file"
        export LISTEN_FDS=2 LISTEN_FDNAMES=one:two
        # shellcheck disable=SC2016
        exec bash -c 'LISTEN_PID=$$ exec "$@"' - "$top_builddir/sandboxd-keeper" --root "$dir/root" -- \
                "$top_builddir/tests/keeper/stand-in" "$dir" >"$dir/out" 2>"$dir/err"
) &
keeper=$!
eventually runs 1
is "$(passed)" "fds=2 names=one:two" "what comes back from above is handed to sandboxd, and nothing else"
tell "cat 1"
last_run | grep -q "read 5 back"
ok $? "... and is what it was"
stop

# --- the watchdog ---
start --watchdog 1
eventually runs 2
like "$(cat "$dir/err")" "*has not said for 1 s that it lives: it is killed*" "--watchdog: who does not say that it lives is killed"
like "$(sed -n 's/^start.* //p' "$dir/log" | head -n 1)" "watchdog=1000000" "... and was told that it should"
stop

# --- upgrade ---
NOTIFY_SOCKET=$dir/up start
tell listen
tell "store file FDPOLL=0 $dir/ctl"
tell "store second FDPOLL=0 $dir/log"
mkfifo "$dir/go"
tell "hold $dir/go 46"
kill -USR2 "$keeper"
eventually runs 2
ok $? "USR2: sandboxd is told to end, and started again"
is "$(passed)" "fds=2 names=file:second" "... with what was stored"
like "$(cat "$dir/err")" "*is executed in place of this keeper*in place of the keeper before: pid of sandboxd * 2 stored*" \
        "... by a new keeper that has the pid of the old one"
[ "$(grep -c '^up STOPPING' "$dir/log")" = 0 ]
ok $? "... without a word of an end"
eventually logged end-of-backlog
: >"$dir/go"
eventually logged "^status .* $((46 << 8)) "
ok $? "... which is still the parent of all"
kill -USR2 "$keeper"
eventually runs 3
eventually lines end-of-backlog 3
is "$(last_run | grep -c "^status .* $((46 << 8)) ")" 1 "what it remembers goes along"
kill -TERM "$keeper"
reaped
is $? 0 "... and it ends as ever"

# --- bad datagrams ---
start
n=$(fds_of "$keeper")
for seed in 1 2 3 4; do tell "garbage 2500 $seed"; done
kill -0 "$keeper"
ok $? "10,000 bad datagrams do no harm"
tell "notify FDSTOREREMOVE=1|FDNAME=stored"
tell "notify FDSTOREREMOVE=1|FDNAME=abc"
fewer() { [ "$(fds_of "$keeper")" -lt $((n + 30)) ]; }
eventually fewer
ok $? "... and leak no descriptors"
again
ok $? "... and it goes on as before"
stop

# --- the manager above ---
NOTIFY_SOCKET=$dir/up start
tell "notify READY=1"
tell listen
tell "notify MAINPID=1|READY=1|STATUS=all is well"
eventually logged "^up READY=1" && eventually logged "^up STATUS=all is well"
ok $? "READY and STATUS are handed on"
is "$(grep '^up' "$dir/log" | sort -u | wc -l)" 2 "... and nothing else"
tell deaf
for i in $(seq 30); do tell "notify STATUS=$i"; done
tell "notify STOPPING=1"
tell hear
eventually logged "^up STATUS=30" && eventually logged "^up STOPPING=1"
ok $? "when it does not read, the last ones wait for it"
stop

done_testing
