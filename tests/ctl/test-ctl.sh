#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sandboxctl against a fake daemon: what it asks for, prints and exits with.
set -u
. "$top_srcdir/tests/tap.sh"

dir=$(mktemp -d /tmp/sandboxd-test-XXXXXX)
fake=
cleanup() { [ -n "$fake" ] && kill "$fake" 2>/dev/null; wait 2>/dev/null; rm -rf "$dir"; }
trap cleanup EXIT
mkdir "$dir/bundles" "$dir/rootfs"
export SANDBOXD_SOCKET=$dir/sock
ctl() { timeout 30 "$top_builddir/sandboxctl" "$@"; }
# Waits until a command succeeds; 20 s are the limit of a broken test.
until_ok() { local i; for i in $(seq 1000); do "$@" >/dev/null 2>&1 && return; sleep 0.02; done; return 1; }
run() { ctl run --rootfs "$dir/rootfs" --rm "$@"; }

# --- without a daemon ---
out=$(ctl --timeout 200ms list 2>&1); status=$?
is $status 1 "no daemon: exit status"
like "$out" "*cannot reach sandboxd at $dir/sock*systemctl start sandboxd*" "no daemon: says what to do"
run -- /bin/true 2>/dev/null; is $? 125 "no daemon: run exits with 125"

"$top_builddir/tests/ctl/fake-sandboxd" "$dir/sock" "$dir/bundles" >"$dir/asked" &
fake=$!
kill -0 $fake || { echo "Bail out! no fake daemon"; exit 1; }

# --- looking ---
is "$(ctl list -q | xargs)" "web-1 web-2 sandboxed" "list -q" # it waits for the daemon that is starting
like "$(ctl list)" "*ID*PID*STATUS*RUNTIME*web-1*running*runc*" "list"
is "$(ctl ls --format json | gojq -r '.[].id' | xargs)" "web-1 web-2 sandboxed" "list as JSON"
is "$(ctl list -A --format json | gojq -r '.[].ns' | sort | uniq -c | xargs)" "3 default 1 other" "list -A: all namespaces"
is "$(ctl -n other list -q)" "far" "--namespace before the verb"
is "$(ctl list -n other -q)" "far" "--namespace after the verb"
is "$(ctl list | cat -v | grep -c '\^\[')" 0 "no colours where no terminal is"
is "$(ctl state --format json web-1 | gojq -r '.id + " " + .process.status')" "web-1 running" "state as JSON"
is "$(ctl inspect sand --format json | gojq -r .id)" "sandboxed" "a prefix of an id, an alias of a verb"
out=$(ctl state web 2>&1); is $? 1 "an ambiguous prefix fails"
like "$out" "*2 containers begin so*web-1*web-2*" "an ambiguous prefix: shows which"
out=$(ctl state nope 2>&1); is $? 1 "an unknown id fails"
like "$out" "*nope: there is no such container*sandboxctl list*" "an unknown id: says what to do"
like "$(ctl ps web-1)" "*UID*PID*PPID*CMD*$fake*fake-sandboxd*" "ps of a container with pids of the host"
like "$(ctl ps sandboxed)" "*5*7*1*nginx: worker*" "ps of a sandbox with pids of its own"
is "$(ctl ps --format json sandboxed | gojq -c '.[0]|[.pid,.cmd]')" '[7,"nginx: worker"]' "ps as JSON"
like "$(ctl stats --no-stream --interval 20ms web-1)" "*CPU %*web-1*50.0*8.0 MiB / 16.0 MiB*50.0*" "stats: CPU use between two samples"
is "$(ctl stats --no-stream --format json web-2 | gojq -r .memory.usage)" 8388608 "stats as JSON"
is "$(ctl info --format json | gojq -r .version)" fake "info as JSON"
like "$(ctl info)" "*runc (default)*runsc*not there*" "info"

# --- acting ---
ctl kill -s usr1 web-1 && ctl kill --signal SIGKILL --all web-2 && ctl kill -s 3 web-1
is "$(grep kill "$dir/asked" | xargs)" "kill web-1 10 kill web-2 9 all kill web-1 3" "kill: names, prefixed names, numbers"
ctl kill -s NOPE web-1 2>/dev/null; is $? 1 "kill: an unknown signal"
ctl pause web-1 && ctl unpause web-1 && ctl resume web-1
is "$(grep -E '^(pause|resume)' "$dir/asked" | xargs)" "pause web-1 resume web-1 resume web-1" "pause, resume, unpause"
ctl update web-1 --memory 16M --cpus 0.5 --pids-limit 7 --cpu-shares 512
is "$(sed -n '/^update/,$p' "$dir/asked" | sed 's/^update web-1 //' | gojq -c .)" \
        '{"cpu":{"period":100000,"quota":50000,"shares":512},"memory":{"limit":16777216},"pids":{"limit":7}}' "update: resources"
ctl update web-1 2>/dev/null; is $? 1 "update without a limit"
out=$(echo '{"a":' | ctl update web-1 --resources - 2>&1); is $? 1 "update: bad JSON"
like "$out" "*- is not JSON: line *column*" "update: says where the JSON is bad"
ctl delete web-1 2>/dev/null; is $? 1 "delete of a running container"
ctl rm -f nope; is $? 0 "delete --force of what is not there"

# --- run ---
is "$(run -- /bin/echo hello)" hello "run: output"
run -- /bin/sh -c 'exit 42'; is $? 42 "run: exit status"
run -- /bin/sh -c 'kill -9 $$'; is $? 137 "run: killed by a signal"
is "$(run -- /bin/sh -c 'echo out; echo err >&2' 2>/dev/null)" out "run: stdout alone"
is "$(run -- /bin/sh -c 'echo out; echo err >&2' 2>&1 >/dev/null)" err "run: stderr alone"
is "$(echo piped | run -i -- /bin/cat)" piped "run -i: input, and its end"
is "$(echo piped | run -- /bin/cat)" "" "run without -i: no input"
is "$(run -- /bin/sh -c 'head -c 8388608 /dev/zero' | wc -c)" 8388608 "run: 8 MiB and an exit at once, none is lost"
head -c 3000000 /dev/urandom >"$dir/in"
is "$(run -i -- /bin/cat <"$dir/in" | cmp - "$dir/in" 2>&1)" "" "run -i: 3 MB there and back"
run -- /bin/echo hello >"$dir/file"; is "$(cat "$dir/file")" hello "run: output to a file"
is "$(run -- /usr/bin/yes | head -1)" y "run: a reader that goes away ends it"
run -- /no/such/command 2>/dev/null; is $? 127 "run: no such command"
run -- /etc/passwd 2>/dev/null; is $? 126 "run: not executable"
run web-2 -- /bin/true 2>/dev/null; is $? 125 "run: the id is taken"
run 'bad id' -- /bin/true 2>/dev/null; is $? 125 "run: a bad id"
out=$(run an-oom -- /bin/sh -c 'exit 137' 2>&1); is $? 137 "run: out of memory: exit status"
like "$out" "*an-oom: killed: container reached its memory limit of 16 MiB*" "run: out of memory: says why"
run get-lost -- /bin/sh -c 'exit 7'; is $? 7 "run: an end whose answer was lost is found in the log"

# --- signals go to the process ---
"$top_builddir/sandboxctl" run --rootfs "$dir/rootfs" --rm -i sig -- /bin/sh -c 'trap "echo usr1; exit 5" USR1; echo ready; read -r x' \
        <> <(:) >"$dir/sig" 2>&1 &
pid=$!
until_ok grep -q ready "$dir/sig"
kill -USR1 $pid
wait $pid; is $? 5 "run: USR1 is handed on"
is "$(xargs <"$dir/sig")" "ready usr1" "run: and handled"
"$top_builddir/sandboxctl" run --rootfs "$dir/rootfs" deaf -- /bin/sh -c 'trap "" TERM; echo ready; exec sleep 100' >"$dir/deaf" 2>&1 &
pid=$!
until_ok grep -q ready "$dir/deaf"
for i in 1 2 3; do
        kill -TERM $pid
        until_ok eval '[ "$(grep -c "kill deaf 15" "$dir/asked")" = $i ]'
done
wait $pid; is $? 143 "run: the third TERM leaves the process alone"
like "$(cat "$dir/deaf")" "*SIGTERM three times*sandboxctl kill -s KILL deaf*" "run: and says so"
ctl delete -f deaf

# --- detached ---
id=$(ctl run -d --rootfs "$dir/rootfs" --log "$dir/log" -- /bin/sh -c 'echo to the log; echo and this >&2; exit 3')
like "$id" "????????????" "run -d: prints an id that it made up"
is "$(ctl wait "$id")" 3 "wait: prints the exit status"
is "$(cat "$dir/log" | xargs)" "to the log and this" "run -d --log: stdout and stderr in the file"
ctl delete "$id"; is $? 0 "delete"
ctl run -d -i --rootfs "$dir/rootfs" later -- /bin/sh -c 'echo first; read -r x; echo "got $x"; exit 6' >"$dir/out"
is "$(cat "$dir/out")" later "run -d -i"
is "$(echo word | ctl attach later | xargs)" "first got word" "attach: what was written before, and input"
is "$(ctl wait later)" 6 "attach: then it ends"
ctl delete later

# --- exec ---
ctl create --rootfs "$dir/rootfs" box -- /bin/sleep 1000 >/dev/null && ctl start box
is "$(ctl exec box /bin/echo -n hello)" hello "exec: its words are not our options"
ctl exec box -- /bin/sh -c 'exit 9'; is $? 9 "exec: exit status"
is "$(echo piped | ctl exec -i box /bin/cat)" piped "exec -i"
ctl exec nope /bin/true 2>/dev/null; is $? 125 "exec: no such container"
is "$(ctl exec -d --exec-id tool box /bin/sleep 1000)" tool "exec -d"
ctl kill --exec tool -s KILL box; is "$(tail -1 "$dir/asked")" "kill box/tool 9" "kill --exec"
ctl delete -f box

# --- events ---
is "$(ctl events --format json get-lost | gojq -r .kind | xargs)" "create start exit" "events of one container"
is "$(ctl events --since 2 --limit 1 --format json | gojq .seq)" 2 "events --since --limit"
like "$(ctl events get-lost)" "*exit default/get-lost status 7*" "events as text"
timeout 30 "$top_builddir/sandboxctl" events -f --since 1 --limit 3 --format json | gojq -s length >"$dir/n"
is "$(cat "$dir/n")" 3 "events --follow --limit"

is "$(ls -A "$dir/bundles" | wc -l)" "$(ls -A "$dir/bundles" | grep -c -v '^\.io')" "no FIFOs are left"
done_testing
