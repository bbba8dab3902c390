#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Who may do what: root everything, the group may look, all others nothing.

. "$top_srcdir/tests/e2e/lib.sh"

as() { # USER GROUP METHOD [JSON]
        setpriv --reuid "$1" --regid "$2" --clear-groups "$RPC" -t 10 "$SOCKET" "${@:3}" >"$T/last" 2>"$T/err"
}

root() {
        is "$(stat -c '%a %G' "$SOCKET")" "660 daemon" "the socket is the group's"
        sleeper
        kill_and_remove
}

group() {
        sleeper
        as nobody daemon list
        is $? 0 "a member of the group may list"
        as nobody daemon state "{\"ns\": \"$NS\", \"id\": \"$ID\"}"
        is "$(field .process.status)" running "and look at a container"
        as nobody daemon kill "{\"ns\": \"$NS\", \"id\": \"$ID\", \"signal\": 9}"
        is "$(field .reason)" permission "but not kill"
        as nobody daemon delete "{\"ns\": \"$NS\", \"id\": \"$ID\", \"force\": true}"
        is "$(field .reason)" permission "nor delete"
        as nobody daemon create "{\"ns\": \"$NS\", \"id\": \"other\", \"bundle\": \"$BUNDLE\"}"
        is "$(field .reason)" permission "nor create"
        status_is running
        ok $? "it runs on"
        kill_and_remove
}

others() {
        as nobody nogroup info
        is $? 2 "somebody else does not reach the socket"
        like "$(cat "$T/err")" "*Permission denied*" "the kernel refuses"
}

state_is_private() {
        sleeper
        is "$(setpriv --reuid nobody --regid nogroup --clear-groups find "$ROOT" -readable -type f 2>/dev/null | wc -l)" 0 \
                "nobody else reads the state directory"
        kill_and_remove
}

E2E_GROUP=daemon
chmod 755 "$(dirname "$RPC")" 2>/dev/null
cp "$RPC" "$T/rpc"
RPC=$T/rpc
e2e_start
for_runtime runc root group others state_is_private
e2e_done
