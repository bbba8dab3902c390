#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Without a keeper: what ends while no daemon runs has ended, and how is reported as unknown, never invented. What a daemon
# finds that was half done, it cleans.

. "$top_srcdir/tests/e2e/lib.sh"

gone() {
        ! grep -qsE '^State:\s+[^ZX]' "/proc/$1/status"
}

die() {
        kill -KILL "$keeper_pid"
        wait "$keeper_pid" 2>/dev/null
        keeper_pid=''
}

# The test itself is the parent of what the daemon leaves behind: bash reaps it, without telling anybody.
taken_over() {
        local pid

        sleeper
        pid=$(state .process.pid)
        die
        launch
        status_is running
        ok $? "the next daemon takes it over"
        is "$(state .process.pid)" "$pid" "the same process"
        kill -KILL "$pid"
        call wait
        like "$(field .exit_status)" "@(137|255)" "its end is seen"
        must delete
        is "$(kinds)" "create start adopted exit delete" "no event is missing"
}

ended_unseen() {
        local pid

        sleeper
        pid=$(state .process.pid)
        die
        kill -KILL "$pid"
        eventually gone "$pid"
        launch
        # The kernel tells as long as the parent has not reaped it, and Linux 6.15 also later.
        like "$(status_of)" "@(137|unknown)" "an end that nobody saw is told by the kernel, or is unknown"
        if [ "$(field 'if .exit_known then "known" else empty end')" != known ]; then
                is "$(field .exit_status)" 255 "unknown is 255"
                like "$(field .cause)" "*not known*" "in words too"
        fi
        must delete
}

# A create that was under way comes to its end, and is taken over.
half_created() {
        [ "$RUNTIME" = runc ] || return 0 # any will do: it is the fake one
        local RUNTIME=fake pid

        bundle '.annotations["fake.create.after-pid-file"] = "wait '"$T/vol/hold"'"' sleep 1000
        (create >/dev/null 2>&1) &
        pid=$!
        eventually test -p "$T/vol/hold"
        die
        wait "$pid"
        (eventually release "$T/vol/hold") &
        launch
        await_event adopted
        status_is created
        ok $? "a create that was under way is done"
        rm -f "$T/vol/hold"
        must delete '{force: true}'
        "$FAKE" --root "$ROOT/runtime/fake/$NS" fake-cleanup
        rm -rf "$ROOT/runtime/fake"
}

release() {
        timeout 1 bash -c ": >'$1'"
}

files_of_others() { # what the state directory holds that is no record of ours is left alone, and told
        die
        mkdir -p "$ROOT/state/_/$NS/broken"
        echo '{"version": 1, "state": ' >"$ROOT/state/_/$NS/broken/meta.json"
        mark=0
        launch
        is "$(rpc events.read '{"since": 1}' | gojq -r '[.events[] | select(.kind == "warning") | .message | select(contains("broken"))] | length > 0')" true \
                "a broken record is told"
        ok "$([ -e "$ROOT/state/_/$NS/broken/meta.json" ]; echo $?)" "and left as it is"
        rm -rf "$ROOT/state/_"
}

E2E_KEEPER=no
e2e_start
for_each_runtime taken_over ended_unseen half_created files_of_others
e2e_done
