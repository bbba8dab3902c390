#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What can be asked about a running container: pids, ps, stats, state, list; and update of its limits.

. "$top_srcdir/tests/e2e/lib.sh"

three() { # init and two children
        run sh -c 'sleep 1000 & sleep 1000 & echo ready; wait'
        eventually grep -q ready "$T/out/$ID"
}

pids() {
        three
        must pids
        is "$(field '.processes | length')" 3 "three processes"
        is "$(field .host)" "$([ "$RUNTIME" = runsc ] || echo true)" "whose pids they are"
        add_exec e '' sleep 1000
        must pids
        is "$(field '[.processes[] | select(.exec_id == "e")] | length')" 1 "an exec is named"
        kill_and_remove
}

ps() {
        local sleeper="sleep" # all that runsc tells of a command

        [ "$RUNTIME" = runsc ] || sleeper="sleep 1000"
        three
        add_exec e '' sleep 777
        is "$(sbx ps "$ID" | grep -v 'sh -c' | grep -c "$sleeper *$")" "$([ "$RUNTIME" = runsc ] && echo 3 || echo 2)" "the children, with their command"
        is "$(sbx ps --format json "$ID" | gojq -r '[.[] | select(.exec_id == "e")] | length')" 1 "the exec, with its id"
        kill_and_remove
}

stats() {
        bundle '.linux.resources.memory = {limit: 268435456} | .linux.resources.pids = {limit: 300}' sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done; echo ready; exec sleep 1000'
        create '{stdout_path: "file://'"$T/out/$ID"'"}' && must start
        eventually grep -q ready "$T/out/$ID"
        must stats
        like "$(field .memory.usage)" "[1-9]*" "memory in use"
        if [ "$RUNTIME" != runsc ]; then # which counts what is inside of the sandbox
                is "$(field .memory.limit)" 268435456 "the limit of memory"
                is "$(field .pids_limit)" 300 "the limit of pids"
        fi
        like "$(field .pids_current)" "[1-9]*" "pids"
        like "$(field .cpu_total_ns)" "[1-9]*" "CPU time"
        like "$(field .cgroup_version)" "[12]" "the version of cgroups"
        is "$(sbx stats --no-stream "$ID" 2>&1 | grep -c "$ID")" 1 "sandboxctl stats"
        rpc stats.all '{"ns": "'"$NS"'"}' >"$T/last"
        is "$(field '[.containers[].id] | join(" ")')" "$ID" "stats.all has every container that runs"
        like "$(field '.containers[0] | "\(.memory.limit) \(.pids_limit) \(.memory_stat | length)"')" "268435456 300 [1-9]*" "whole, from the host's cgroups"
        is "$(sbx top --count 2 --interval 20ms | grep -c "^$ID ")" 2 "sandboxctl top"
        sbx metrics -o "$T/metrics"
        like "$(grep "^sandboxd_container_memory_limit_bytes{.*\"$ID\"" "$T/metrics")" '*} 268435456' "sandboxctl metrics"
        is "$(tail -n 1 "$T/metrics")" "# EOF" "to its end"
        kill_and_remove
}

# Limits of block I/O, and weights where a scheduler has them (BFQ), are in force and read back.
io() {
        local device weight='' found

        device=$(cat /sys/block/*/dev 2>/dev/null | head -n 1)
        [ -n "$device" ] || { skip io "the host has no block device"; return; }
        ! grep -qsF '[bfq]' /sys/block/*/queue/scheduler || weight=300
        bundle '{major: '"${device%:*}"', minor: '"${device#*:}"'} as $d | .linux.resources.blockIO =
                {throttleReadBpsDevice: [$d + {rate: 1048576}], throttleWriteIOPSDevice: [$d + {rate: 100}]}'"${weight:+ + {weight: $weight\}}" sleep 1000
        create && must start
        found=$(cat /sys/fs/cgroup/{blkio/,}"sandboxd/$NS/$ID"/{io.max,blkio.throttle.{read_bps,write_iops}_device} 2>/dev/null)
        is "$(grep -oE '[=: ](1048576|100)\b' <<<"$found" | tr -d '=: ' | paste -sd' ')" "1048576 100" "limits of block I/O are in force"
        [ -z "$weight" ] || is "$(cat /sys/fs/cgroup/{blkio/,}"sandboxd/$NS/$ID"/{io,blkio}.bfq.weight 2>/dev/null | grep -o '[0-9]*$')" "$weight" "and a weight"
        is "$(events | gojq -r 'select(.kind == "warning") | .message')" "" "and nobody warns"
        kill_and_remove
}

# The counters of a container's own interfaces, from its network namespace.
network() {
        local pid link="sbx$$"

        sleeper
        pid=$(state .process.pid)
        if ! ip link add "$link" type veth peer name eth7 netns "$pid" 2>/dev/null; then
                skip network "the kernel has no veth"
                kill_and_remove
                return
        fi
        ip link set "$link" up
        nsenter -t "$pid" -n ip link set eth7 up
        nsenter -t "$pid" -n ip address add 169.254.77.1/30 dev eth7
        eventually counts_network "$pid"
        ok $? "what was sent is counted"
        must stats
        is "$(field '[.network[].name] | join(" ")')" eth7 "of its own interfaces, without lo"
        like "$(sbx metrics | grep "^sandboxd_container_network_transmit_bytes_total{.*\"$ID\"")" '*interface="eth7"} [1-9]*' "sandboxctl metrics"
        kill_and_remove
}

counts_network() { # PID: asks who has an address, which nobody has
        nsenter -t "$1" -n busybox ping -c 1 -W 1 169.254.77.2 >/dev/null 2>&1
        call stats && [ "$(field '(.network[0].tx_bytes // 0) > 0')" = true ]
}

# sandboxctl top in a terminal: a picture over the other, bars, and the order that is asked for, at first or by a key.
top_in_a_terminal() {
        local first=$ID keys session

        ID=$first-busy && run sh -c 'while :; do :; done'
        ID=$first-large && run sh -c 'x=$(head -c 8000000 /dev/zero | tr "\\0" x); echo ready; sleep 1000; echo $x'
        eventually grep -q ready "$T/out/$ID"
        mkfifo "$T/keys"
        exec {keys}<>"$T/keys"
        timeout 120 script -qfec "stty rows 24 cols 140; '$CTL' --socket '$SOCKET' -n '$NS' top --interval 200ms; stty -a" /dev/null <"$T/keys" >"$T/top" 2>&1 &
        session=$!
        eventually shown cpu 'busy +\[[# ]{12}\] .*large '
        ok $? "sorted by CPU, the busy one is the first"
        printf m >&"$keys"
        eventually shown memory 'large .*busy'
        ok $? "by the key m, the large one"
        printf i >&"$keys"
        eventually shown id 'busy .*large'
        ok $? "by the key i, that whose name is the first"
        like "$(grep -c $'\033\\[H\033\\[J' "$T/top")" "@([3-9]|[1-9]?*)" "each picture over the other"
        printf q >&"$keys"
        wait "$session"
        is $? 0 "q ends it"
        like "$(tail -n 8 "$T/top")" "* icanon*" "the terminal is what it was"
        exec {keys}>&-
        rm -f "$T/keys" "$T/top"
        for ID in "$first-busy" "$first-large"; do kill_and_remove && rm -rf "${T:?}/b/$ID" "$T/out/$ID"; done
        ID=$first
}

picture() { # the last one that is whole, in a line
        tr -d '\r\n' <"$T/top" | sed 's/\x1b\[H\x1b\[J/\n/g' | tail -n 2 | head -n 1
}

shown() { # KEY REGULAR EXPRESSION
        picture | grep -qE "sorted by $1.*$2"
}

# The daemon serves what sandboxctl prints.
served() {
        command -v python3 >/dev/null || { skip served "no python3 here"; return; }
        sleeper
        sbx metrics -o "$T/metrics"
        scrape /metrics >"$T/scraped"
        is "$(sed -n '1{s/\r//;p}' "$T/scraped")" "HTTP/1.1 200 OK" "GET /metrics"
        is "$(grep '^# ' "$T/scraped")" "$(grep '^# ' "$T/metrics")" "has the families that sandboxctl metrics has"
        is "$(samples "$T/scraped")" "$(samples "$T/metrics")" "and the samples of a container"
        like "$(grep "^sandboxd_container_daemon_fds{.*\"$ID\"" "$T/scraped")" '*} [1-9]*' "and what the daemon spends on it"
        is "$(scrape / | sed -n '1{s/\r//;p}')" "HTTP/1.1 404 Not Found" "and nothing else is served"
        kill_and_remove
}

samples() { # FILE: their names and labels; a device is there once it was used
        grep -o '^[^ #]*{.*}' "$1" | grep "$ID" | grep -v '^sandboxd_container_block'
}

scrape() { # PATH
        python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(60)
s.connect(sys.argv[1])
s.sendall(b"GET " + sys.argv[2].encode() + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
while data := s.recv(65536):
    sys.stdout.buffer.write(data)' "$T/sock/metrics" "$1"
}

# An answer has so many and no more; the next one goes on behind it.
paged() {
        local after='' n=0 first=$ID seen='' one

        for one in a b c d e; do ID=$first-$one && sleeper; done
        while n=$((n + 1)); do
                rpc stats.all '{"ns": "'"$NS"'", "brief": true, "max": 2, "after": "'"$after"'"}' >"$T/last"
                seen+="$(field '[.containers[].id] | join(" ")') "
                after=$(field .next)
                [ -n "$after" ] || break
                [ "$n" != 1 ] || { ID=$first-b && kill_and_remove; } # the last one that was seen: its place stays
        done
        is "$seen" "$(for one in a b c d e; do printf '%s ' "$first-$one"; done)" "each once, in order"
        is "$n" 3 "in three answers"
        is "$(rpc stats.all '{"after": "x"}' | gojq -r .reason)" invalid-argument "what is no place to go on from"
        for one in a c d e; do ID=$first-$one && kill_and_remove && rm -rf "${T:?}/b/$ID" "$T/out/$ID"; done
        rm -rf "${T:?}/b/$first-b" "$T/out/$first-b"
        ID=$first
}

listed() {
        sleeper
        is "$(sbx list -q)" "$ID" "list -q"
        like "$(sbx list)" "*$ID*running*$RUNTIME*" "list"
        is "$(sbx list --format json | gojq -r '.[0].process.status')" running "list as JSON"
        like "$(sbx state "$ID")" "*cgroup*/sandboxd/$NS/$ID*" "state"
        like "$(sbx debug "$ID")" "container *$ID: running, *process \"\": init pid [1-9]*" "debug"
        [ "$RUNTIME" != runsc ] || like "$(sbx debug "$ID")" "*sandbox:*goroutine *" "with the stacks of the sandbox"
        is "$(rpc list "$(gojq -nc --arg ns "$NS" '{ns: $ns, id_prefix: "nobody"}')" | gojq '.containers // [] | length')" 0 "list by prefix"
        kill_and_remove
}

update() {
        bundle '.linux.resources.memory = {limit: 134217728} | .linux.resources.pids = {limit: 100}' sleep 1000
        create && must start
        if [ "$RUNTIME" = runsc ]; then
                refused runtime-failed "this runsc cannot update" update '{resources: {"$bin": "{\"memory\": {\"limit\": 268435456}}"}}'
        else
                must update '{resources: {"$bin": "{\"memory\": {\"limit\": 268435456}, \"pids\": {\"limit\": 50}}"}}'
                must stats
                is "$(field .memory.limit)" 268435456 "the limit of memory is in force"
                is "$(field .pids_limit)" 50 "the limit of pids is in force"
                is "$(kinds)" "create start updated" "an event tells of it"
                sbx update --memory 64m "$ID"
                must stats
                is "$(field .memory.limit)" 67108864 "sandboxctl update --memory"
        fi
        refused invalid-spec "resources that are no JSON" update '{resources: {"$bin": "{"}}'
        refused invalid-spec "resources of a wrong type" update '{resources: {"$bin": "{\"memory\": {\"limit\": \"much\"}}"}}'
        kill_and_remove
}

after_the_end() {
        run true
        call wait
        refused stopped "pids of one that has stopped" pids
        refused stopped "ps" ps
        refused stopped "stats" stats
        refused stopped "update" update '{resources: {"$bin": "{}"}}'
        must delete
        refused not-found "pids of one that is gone" pids
}

before_the_start() {
        bundle . sleep 1000
        create
        if [ "$RUNTIME" != runsc ]; then # there nothing runs yet, and runsc says so in its own way
                must pids
                must stats
        fi
        must delete
}

# A limit that nothing enforces is not passed over in silence.
unenforced() {
        bundle '.linux.resources.memory = {limit: 134217728}' sleep 1000
        RUNTIME=loose create && must start
        await_event warning
        like "$(gojq -r .message <<<"$EVENT")" "*limit is not in force: memory.*134217728*no cgroup of its own*" "a limit without a cgroup is told of"
        kill_and_remove
}

write_config
cat >>"$e2e_config" <<END
[metrics]
listen = "$T/sock/metrics"
[runtimes.loose]
type = "runsc"
path = "runsc"
options = ["--platform=ptrace", "--network=none", "--ignore-cgroups"]
END
e2e_start
for_each_runtime pids ps stats io listed update after_the_end before_the_start
for_runtime crun top_in_a_terminal network served paged
for_runtime runsc unenforced
e2e_done
