#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A storm of creates: they wait for their turn, and a signal, a removal or a question does not wait behind them.

. "$top_srcdir/tests/e2e/lib.sh"

N=40

created() {
        rpc list "{\"ns\": \"$NS\", \"id_prefix\": \"storm\"}" | gojq '[.containers[]? | select(.process.status == "created")] | length'
}

queued() {
        [ "$(info .commands_queued)" -gt "$1" ]
}

all_created() {
        [ "$(created)" = "$N" ]
}

storm() {
        local i pids=() victim=$ID failed=0

        sleeper
        script 'fake.create.begin@storm*: slow 200'
        for i in $(seq "$N"); do
                (ID=storm$i && bundle . sleep 1000 && apart create) &
                pids+=($!)
        done
        eventually queued 20
        ok $? "creates are waiting"
        must kill '{signal: 9}'
        is "$(status_of)" 137 "a container is killed meanwhile"
        must delete
        ok "$([ "$(created)" -lt "$N" ]; echo $?)" "and removed, before the storm is over"
        ID=other
        bundle . true
        (NS=$NS-other && apart create) >/dev/null
        ok "$([ "$(created)" -lt "$N" ]; echo $?)" "another namespace has its turn meanwhile"
        (NS=$NS-other && must delete)
        wait "${pids[@]}"
        eventually all_created
        ok $? "all of them are created in the end"
        pids=()
        for i in $(seq "$N"); do
                (ID=storm$i && apart must delete '{force: true}') &
                pids+=($!)
        done
        for i in "${pids[@]}"; do
                wait "$i" || failed=$((failed + 1))
        done
        is "$failed" 0 "and removed"
        rm -rf "$T"/b/storm* "$T/b/other"
        ID=$victim
        cleanup
}

write_config 'max_commands = 2'
e2e_start
for_runtime fake storm
e2e_done
