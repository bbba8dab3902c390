#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Limits are read back from the cgroup that has the processes: after create, after update, and when a create is taken over by
# the next daemon. The runtimes lie: a program between us and each real one forgets its updates, and undoes a limit.

. "$top_srcdir/tests/e2e/crash-lib.sh"

all='.linux.resources.memory = {limit: 268435456, swap: 268435456} | .linux.resources.pids = {limit: 300} |
        .linux.resources.cpu = {quota: 50000, period: 100000, shares: 512, cpus: "0", mems: "0"}'

# liar-NAME is NAME, but for what it says. While vol/honest is there its creates are as they should be; one that finds
# vol/slow waits for vol/hold.
make_liar() { # NAME
        cat >"$T/liar-$1" <<END
#!/bin/bash
[[ " \$* " != *" update "* ]] || exit 0
$(command -v "$1") "\$@" || exit
[[ " \$* " = *" create "* ]] || exit 0
for file in /sys/fs/cgroup/{pids/,}sandboxd/$NS/"\${@: -1}"/pids.max; do
        [ -e '$T/vol/honest' ] || [ ! -e "\$file" ] || echo max >"\$file"
done
[ ! -e '$T/vol/slow' ] || { rm '$T/vol/slow'; mkfifo '$T/vol/hold'; read -r _ <'$T/vol/hold'; }
END
        chmod 755 "$T/liar-$1"
}

lines() { # LINES FOR [daemon]
        local name

        write_config "${1-}"
        for name in runc crun runsc; do
                printf '[runtimes.liar-%s]\ntype = "%s"\npath = "%s"\n' "$name" "$([ "$name" = runsc ] && echo runsc || echo oci)" "$T/liar-$name"
                [ "$name" != runsc ] || echo 'options = ["--platform=ptrace", "--network=none"]'
        done >>"$e2e_config"
}

warnings() {
        events | gojq -r 'select(.kind == "warning") | .message'
}

found() { # FILE...: of the cgroup, what the first that is there says
        local file dir

        for file; do
                for dir in /sys/fs/cgroup/{*/,}; do
                        cat "$dir/sandboxd/$NS/$ID/$file" 2>/dev/null && return
                done
        done
}

in_force() {
        bundle "$all" sleep 1000
        create && must start
        is "$(warnings)" "" "nobody warns of a limit"
        is "$(found memory.max memory.limit_in_bytes) $(found pids.max) $(found cpuset.cpus)" "268435456 300 0" "since all are in force"
        like "$(found cpu.max cpu.cfs_quota_us)" "50000*" "the quota too"
        kill_and_remove
}

not_in_force() {
        bundle "$all" sleep 1000
        RUNTIME=liar-$RUNTIME create_refused limit-not-applied "a limit that did not apply is an error of create"
        like "$(field .message)" "*/sandboxd/$NS/$ID/pids.max: wanted 300, found max" "with the file, the wanted and the found value"
        is "$(kinds)" "" "there was no container"
        [ "$RUNTIME" != runsc ] || return 0 # which cannot update
        : >"$T/vol/honest"
        RUNTIME=liar-$RUNTIME create && must start
        refused limit-not-applied "and of update" update '{resources: {"$bin": "{\"pids\": {\"limit\": 50}}"}}'
        like "$(field .message)" "*/pids.max: wanted 50, found 300" "with the same words"
        rm "$T/vol/honest"
        kill_and_remove
}

reload() {
        case_log_from=$(($(wc -l <"$LOG") + 1))
        kill -HUP "$(daemon_pid)"
        eventually reloaded
}

reloaded() {
        tail -n "+$case_log_from" "$LOG" | grep -q "configuration reloaded"
}

warned() {
        lines 'limits = "warning"'
        reload
        bundle "$all" sleep 1000
        RUNTIME=liar-$RUNTIME create && must start
        like "$(warnings)" "a limit is not in force: */pids.max: wanted 300, found max" "or a warning, where that is configured"
        kill_and_remove
        lines
        reload
}

# The daemon is killed while the runtime makes the container: the next one takes it.
create_without_daemon() {
        local old params

        : >"$T/vol/slow"
        bundle "$all" sleep 1000
        params='{runtime: "liar-'"$RUNTIME"'", bundle: "'"$BUNDLE"'", request_id: "'"$RUNTIME-$ID"'"}'
        (LAST=$T/last.create call create "$params") 2>/dev/null &
        held
        ok $? "the create is under way"
        old=$(daemon_pid)
        kill -KILL "$old"
        wait $!
        eventually another "$old"
        release
        call create "$params"
        rm -f "$T/last.create"
}

taken_over() {
        create_without_daemon
        is "$(field .reason)" limit-not-applied "of a create that was taken over they are read back, too"
        is "$(rpc list "{\"ns\": \"$NS\"}" | gojq '.containers // [] | length')" 0 "and it is undone"
        rm -rf "${T:?}/b/$ID"
        : >"$T/vol/honest"
        ID=$ID-honest
        create_without_daemon
        is "$(field .reason)" "" "one whose limits are in force is taken"
        is "$(found pids.max)" 300 "as it is"
        rm "$T/vol/honest"
        kill_and_remove
        rm -rf "${T:?}/b/$ID"
}

for one in runc crun runsc; do make_liar "$one"; done
lines
e2e_start
for_each_runtime in_force not_in_force
for_runtime runc warned taken_over
for_runtime crun taken_over
e2e_done
