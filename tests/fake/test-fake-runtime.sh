# SPDX-License-Identifier: Apache-2.0
# The fake runtime does what runc does, and what its script says.

. "$top_srcdir/tests/tap.sh"
need "$top_builddir/tests/fake/fake-runtime"
fake=$top_builddir/tests/fake/fake-runtime
command -v gojq >/dev/null || skip_all "needs gojq"
dir=$(mktemp -d) || exit 1
root=$dir/root
out=$dir/out
export PATH=$PATH:/usr/sbin:/sbin
finish() {
        "$fake" --root "$root" fake-cleanup
        rm -rf "$dir"
}
trap finish EXIT

bundle() { # NAME ARGS-JSON [ANNOTATIONS-JSON]
        mkdir -p "$dir/$1/rootfs"
        gojq -n --argjson args "$2" --argjson annotations "${3:-{\}}" '{ociVersion: "1.0.2", process: {args: $args,
                env: ["PATH=/usr/bin:/bin", "WHO=me"], cwd: "/"}, root: {path: "rootfs"}, annotations: $annotations}' \
                >"$dir/$1/config.json"
}
rt() { timeout 20 "$fake" --root "$root" --log "$dir/log" --log-format json --systemd-cgroup --debug=false "$@"; }
create() { rt create --bundle "$dir/$1" --pid-file "$dir/$1.pid" --no-pivot "$2" >>"$out"; } # BUNDLE ID
status_of() { rt state "$1" | gojq -r .status; }
stopped() { [ "$(status_of "$1")" = stopped ]; }
script() { printf '%s\n' "$@" >"$dir/fake.script"; }
last_error() { tail -n 1 "$dir/log" | gojq -r .msg; }

# --- as runc does ---
bundle a '["sh", "-c", "echo hello $WHO; exec sleep 600"]'
create a c1
ok $? "create"
pid=$(cat "$dir/a.pid")
is "$(rt state c1 | gojq -r '.status, .pid' | xargs)" "created $pid" "state: created, with the pid of the pid file"
is "$(cat "$out")" "" "nothing runs before start"
rt start c1
ok $? "start"
is "$(status_of c1)" running "state: running"
eventually grep -q "hello me" "$out"
ok $? "the process got its standard output and its environment"
rt start c1 2>/dev/null
is $? 1 "a second start fails"
is "$(last_error)" "cannot start an already running container" "... with runc's message in the log"
create a c1 2>/dev/null
is $? 1 "the id is taken"
gojq -n '{args: ["sh", "-c", "exit 7"], env: ["PATH=/bin"], cwd: "/"}' >"$dir/p.json"
rt exec --process "$dir/p.json" c1
is $? 7 "exec returns the status"
gojq -n '{args: ["sleep", "600"], env: ["PATH=/bin"], cwd: "/"}' >"$dir/p.json"
rt exec --process "$dir/p.json" --detach --pid-file "$dir/exec.pid" c1
ok $? "exec --detach"
is "$(rt ps --format json c1 | gojq -c sort)" "$(printf '%s\n' "$pid" "$(cat "$dir/exec.pid")" | gojq -sc sort)" "ps has both"
rt exec c1 /nonexistent 2>/dev/null
is $? 1 "exec of nothing fails"
rt pause c1 && is "$(status_of c1)" paused "pause"
rt resume c1 && is "$(status_of c1)" running "resume"
echo '{"memory": {"limit": 1000000}}' | rt update --resources - c1
is "$(gojq .memory.limit "$root/c1/resources.json")" 1000000 "update"
is "$(rt events --stats c1 | gojq .data.pids.current)" 2 "events --stats"
rt checkpoint --image-path "$dir/image" --leave-running c1
ok $? "checkpoint"
rt restore --image-path "$dir/image" --bundle "$dir/a" --detach --pid-file "$dir/r.pid" c2 >>"$out"
is "$(status_of c2)" running "restore"
rt delete c1 2>/dev/null
is $? 1 "delete of a running container fails"
rt kill c1 KILL
eventually stopped c1
ok $? "kill"
rt kill c1 9 2>/dev/null
is "$(last_error)" "container not running" "kill again"
rt delete c1
ok $? "delete kills what execs left"
eventually test ! -d "/proc/$(cat "$dir/exec.pid")" || grep -q 'State:.*Z' "/proc/$(cat "$dir/exec.pid")/status"
ok $? "... really"
rt state c1 2>/dev/null
is "$(last_error)" "container does not exist" "state of nothing"
rt delete --force c1
ok $? "delete --force of nothing"
rt kill --all c2 SIGKILL && rt delete --force c2
ok $? "kill --all, delete --force"
like "$(rt --version)" "runc version*" "--version"

# --- as the script says ---
script 'fake.create: fail no space left'
create a f1 2>/dev/null
is "$?/$(last_error)" "1/no space left" "fail"
script 'fake.create.before-pid-file@f2: crash SIGSEGV'
rm -f "$dir/a.pid"
create a f2 2>/dev/null
is $? 139 "crash before the pid file"
[ -e "$dir/a.pid" ]
is $? 1 "... which is not there"
[ -n "$(rt ps --format json f2 | gojq '.[]')" ]
ok $? "... but the process is"
rt delete --force f2
create a f3
ok $? "a step for another id does nothing"
rt delete --force f3
script 'fake.create: exit-before-pid 3'
create a f4
ok $? "exit-before-pid"
is "$(status_of f4)" stopped "... is stopped at once"
rt delete f4
script 'fake.create.before-pid-file = garbage-pid-file'
create a f5
is "$(cat "$dir/a.pid")" "not a pid" "garbage-pid-file"
rt delete --force f5
script 'fake.create.before-pid-file no-pid-file'
rm -f "$dir/a.pid"
create a f6
[ -e "$dir/a.pid" ]
is $? 1 "no-pid-file"
rt delete --force f6
script 'fake.state: garbage; log warning odd' 'fake.*.end: garbage-log'
rt state f7 >/dev/null 2>&1
create a f7
rt state f7 | gojq . >/dev/null 2>&1
[ ${PIPESTATUS[1]} != 0 ]
ok $? "garbage in place of output"
grep -q '"odd"' "$dir/log" && grep -q 'not json' "$dir/log"
ok $? "... and in the log"
script 'fake.delete: once fail later'
rt delete --force f7 2>/dev/null
is $? 1 "once"
rt delete --force f7
ok $? "... and not again"
script 'fake.create: fork-stay'
create a f8
read -r stray start kind < <(grep stray "$root/pids.log")
is "$kind $(test -d "/proc/$stray" && echo alive)" "stray alive" "fork-stay"
kill -9 "$stray"
rt delete --force f8
script "fake.start: touch $dir/there; wait $dir/fifo"
create a f9
rt start f9 &
eventually test -e "$dir/there"
is "$(status_of f9)" created "wait holds the step"
: >"$dir/fifo"
wait $!
is "$(status_of f9)" running "... until the FIFO is opened"
rt delete --force f9
script 'fake.create: slow 120'
before=$(date +%s%N)
create a f10
[ $(($(date +%s%N) - before)) -ge 120000000 ]
ok $? "slow"
rt delete --force f10
script 'fake.create: hang'
timeout 0.2 "$fake" --root "$root" create --bundle "$dir/a" f11
is $? 124 "hang"
script 'fake.create: stop'
"$fake" --root "$root" create --bundle "$dir/a" f12 &
eventually grep -qs 'State:.*T' /proc/$!/status
ok $? "stop"
kill -9 $!
wait $! 2>/dev/null
script ''
bundle b '["true"]' '{"fake.start": "fail from an annotation"}'
create b f13
rt start f13 2>/dev/null
is "$(last_error)" "from an annotation" "annotations"
rt delete --force f13
echo 'fake.create: exit 77' >"$dir/other"
FAKE_RUNTIME_SCRIPT=$dir/other create a f14
is $? 77 "FAKE_RUNTIME_SCRIPT"
bundle c '["/nonexistent"]'
create c f15 2>/dev/null
is "$?/$(test -d "$root/f15" && echo left)" "1/" "a create that fails leaves nothing"
is "$(gojq -r 'select(.event == "begin" and .id == "f13") | .command' "$root/calls.log" | xargs)" "create start delete" "calls.log"
is "$(gojq -r 'select(.event == "end" and .id == "f14") | .exit' "$root/calls.log")" 77 "... with ends"

done_testing
