#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Wrong input: each is refused with a reason and a message that says what is wrong, and changes nothing.

. "$top_srcdir/tests/e2e/lib.sh"

raw() { # REASON NAME METHOD JSON: as it is
        rpc "$3" "$4" >"$T/last"
        is "$(field .reason)" "$1" "$2"
}

ids() {
        local long

        long=$(printf 'x%.0s' {1..77})
        bundle . true
        raw invalid-argument "an empty id" state '{"id": ""}'
        raw invalid-argument "no id" state '{}'
        raw invalid-id "a path" create "{\"id\": \"../../etc\", \"bundle\": \"$BUNDLE\"}"
        raw invalid-id "a slash" create "{\"id\": \"a/b\", \"bundle\": \"$BUNDLE\"}"
        raw invalid-id "dots" create "{\"id\": \"..\", \"bundle\": \"$BUNDLE\"}"
        raw invalid-id "a leading dash" create "{\"id\": \"-v\", \"bundle\": \"$BUNDLE\"}"
        raw invalid-id "a space" create "{\"id\": \"a b\", \"bundle\": \"$BUNDLE\"}"
        raw invalid-id "a new line" create "{\"id\": \"a\\nb\", \"bundle\": \"$BUNDLE\"}"
        raw invalid-id "a control character" create "{\"id\": \"a\\u0001b\", \"bundle\": \"$BUNDLE\"}"
        raw invalid-id "another alphabet" create "{\"id\": \"\\u00e4\", \"bundle\": \"$BUNDLE\"}"
        rpc create "{\"id\": \"a\\u0000b\", \"bundle\": \"$BUNDLE\"}" >"$T/last"
        like "$(field .reason)" "@(invalid-argument|invalid-id|malformed)" "a NUL"
        rpc create "{\"id\": \"$long\", \"bundle\": \"$BUNDLE\"}" >"$T/last"
        like "$(field .reason)" "@(invalid-id|too-large)" "77 bytes"
        raw invalid-id "a path as namespace" create "{\"ns\": \"../x\", \"id\": \"a\", \"bundle\": \"$BUNDLE\"}"
        raw invalid-id "a path as owner" create "{\"owner\": \"../x\", \"id\": \"a\", \"bundle\": \"$BUNDLE\"}"
        is "$(find "$ROOT" -name etc -o -name 'a b' | wc -l)" 0 "nothing was made"
        raw not-found "76 bytes are fine" state "{\"id\": \"${long:1}\"}"
}

messages() {
        raw unknown-method "an unknown method" frobnicate '{}'
        raw invalid-argument "an unknown field" state '{"id": "a", "colour": "blue"}'
        raw invalid-argument "a wrong type" state '{"id": 5}'
        raw invalid-argument "parameters that are no map" state '[1, 2]'
        raw invalid-argument "a number that is too large" resize '{"id": "a", "width": 70000}'
        "$RPC" -x "$SOCKET" c0 >"$T/last"
        is "$(field .reason)" malformed "not a request at all"
        "$RPC" -x "$SOCKET" 940007a573746174 >"$T/last"
        is "$(field .reason)" malformed "a request that is cut off"
        "$RPC" -x "$SOCKET" 940007a4696e666f80c0 >"$T/last"
        like "$(field .reason)" "@(malformed|invalid-argument)" "bytes after the end"
        answers
        ok $? "the daemon goes on"
}

specs() {
        mkdir -p "$BUNDLE"
        bundle . true
        printf '{\n  "ociVersion": "1.0.2",\n  "process": {,\n}\n' >"$BUNDLE/config.json"
        create_refused invalid-spec "a config.json that is no JSON"
        like "$(field .message)" "*line 3*column*" "told with line and column"
        bundle 'del(.process.args)' true
        create_refused invalid-spec "one without arguments"
        like "$(field .message)" "*args*" "told by name"
        bundle '.process.args = "true"' true
        create_refused invalid-spec "one with a wrong type"
        bundle . true
        rm "$BUNDLE/config.json"
        create_refused invalid-spec "no config.json" || last | note
        head -c 100 /dev/urandom >"$BUNDLE/config.json"
        create_refused invalid-spec "random bytes"
        mkdir -p "$BUNDLE"
        rm "$BUNDLE/config.json"
        mkfifo "$BUNDLE/config.json"
        RPC_TIMEOUT=20 create_refused invalid-spec "a FIFO in its place does not stop the daemon" || last | note
        answers
        ok $? "the daemon goes on"
        BUNDLE=$T/nowhere create_refused invalid-spec "a bundle that is not there" || last | note
        BUNDLE=relative create_refused invalid-argument "a relative path"
}

runtimes() {
        bundle . true
        RUNTIME=nobody create_refused unknown-runtime "an unknown runtime"
        like "$(field .message)" "*nobody*" "told by name"
        RUNTIME=absent create_refused unknown-runtime "a runtime that is not installed"
}

rootfs() {
        bundle '.root.path = "/no/such/directory"' true
        create_refused runtime-failed "a root filesystem that is not there"
        like "$(field .message)" "OCI runtime create failed: *" "told in the runtime's words"
        bundle . /no/such/program
        if call create '{runtime: "'"$RUNTIME"'", bundle: "'"$BUNDLE"'"}'; then
                refused runtime-failed "a program that is not there is told by start" start
                call wait
                must delete
        else
                is "$(field .reason)" runtime-failed "a program that is not there is told by create"
        fi
        like "$(field .message)$(kinds)" "*" "and leaves nothing behind"
}

duplicates() {
        local pid

        sleeper
        pid=$(state .process.pid)
        create_refused already-exists "an id that is taken"
        status_is running
        ok $? "the container of that id runs on"
        is "$(state .process.pid)" "$pid" "the same one"
        must kill '{signal: 9}'
        is "$(status_of)" 137 "and is still ours"
        create_refused already-exists "also after its end"
        must delete
}

states() {
        bundle . sleep 1000
        create
        refused wrong-state "pause before the start" pause
        refused wrong-state "resume before the start" resume
        refused wrong-state "checkpoint before the start" checkpoint '{path: "'"$T/image"'"}'
        must start
        refused wrong-state "a second start" start
        refused still-running "delete of one that runs" delete
        call kill '{signal: 9}'
        call wait
        refused stopped "start of one that has stopped" start
        refused stopped "pause" pause
        refused stopped "exec" exec '{exec_id: "e", spec: {"$bin": "{\"args\": [\"true\"], \"cwd\": \"/\"}"}}'
        must delete
}

limits() { # a limit that cannot be in force is an error
        bundle '.linux.resources.memory = {limit: "much"}' true
        create_refused invalid-spec "a limit that is no number"
        bundle '.linux.resources.memory = {limit: 1}' true
        call create '{runtime: "'"$RUNTIME"'", bundle: "'"$BUNDLE"'"}'
        like "$(field .reason)" "@(runtime-failed|limit-not-applied|invalid-spec)" "a limit that nothing can live in" || last | note
        call state && call delete '{force: true}'
        true
}

e2e_start
for_each_runtime ids messages specs runtimes rootfs duplicates states limits
e2e_done
