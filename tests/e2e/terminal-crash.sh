#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 of the daemon below a terminal and below FIFOs: both go on, both ways, and what was written while no daemon was
# there is not lost, with or without a reader.

. "$top_srcdir/tests/e2e/crash-lib.sh"

# Answers what it reads, tells the size, and ends when told to.
talker='stty -echo; echo begin; while read -r line; do [ "$line" != quit ] || exit 51; [ "$line" != size ] || stty size; echo "got $line"; done; exit 52'

end_of() { # PID
        echo quit >&"$keys"
        eventually gone "$1"
}

kept() { # descriptors that the keeper has for us
        find "/proc/$keeper_pid/fd" -lname '*ptmx*' -o -lname '*/screen' -o -lname '*/in' -o -lname '*/out-*' | wc -l
}

terminal() {
        open_screen
        bundle '.process.terminal = true' sh -c "$talker"
        create "{terminal: true, stdin_path: \"$T/in\", stdout_path: \"$T/screen\"}" && must start
        shows begin "it has begun"
        without_daemon true
        echo one >&"$keys"
        shows "got one" "after kill -9 the terminal goes on"
        must resize '{width: 101, height: 41}'
        echo size >&"$keys"
        shows "41 101" "its size can be changed"
        without_daemon eval 'echo two >&"$keys"'
        shows "got two" "what was typed while no daemon was there arrives"
        end_of "$(state .process.pid)"
        is "$(status_of)" 51 "it ends"
        must delete
        close_screen
        eventually nothing_kept
        ok $? "nothing is stored any more"
}

nothing_kept() {
        [ "$(kept)" = 0 ]
}

terminal_of_exec() {
        sleeper
        open_screen
        add_exec e "{terminal: true, stdin_path: \"$T/in\", stdout_path: \"$T/screen\"}" \
                sh -c 'echo begin; read -r line; echo "got $line"; until [ -e /vol/go ]; do sleep 0.02; done; echo >/vol/ends; exit 51'
        shows begin "an exec has begun"
        without_daemon true
        echo one >&"$keys"
        shows "got one" "after kill -9 its terminal goes on"
        without_daemon let_exec_end
        rm -f "$T/vol/go" "$T/vol/ends"
        is "$(status_of '{exec_id: "e"}')" 51 "and it ends"
        close_screen
        kill_and_remove
}

printed_meanwhile() { # and the end too: nobody but the keeper has the terminal then
        local pid

        open_screen
        bundle '.process.terminal = true' sh -c 'echo begin; until [ -e /vol/go ]; do sleep 0.02; done; seq 1 200; exit 53'
        create "{terminal: true, stdout_path: \"$T/screen\"}" && must start
        pid=$(state .process.pid)
        shows begin "it has begun"
        without_daemon let_end "$pid"
        rm -f "$T/vol/go"
        is "$(status_of)" 53 "it ended while no daemon was there"
        shows 200 "all that it printed comes"
        must delete
        close_screen
}

# A client that is away: only our ends keep the FIFOs alive.
written_meanwhile() {
        local pid

        mkfifo "$T/out-1" "$T/out-2" "$T/in"
        bundle . sh -c 'until [ -e /vol/go ]; do sleep 0.02; done; echo out; echo err >&2; exit 54'
        create "{stdin_path: \"$T/in\", stdout_path: \"$T/out-1\", stderr_path: \"$T/out-2\"}" && must start
        pid=$(state .process.pid)
        without_daemon let_end "$pid"
        rm -f "$T/vol/go"
        is "$(status_of)" 54 "written while there was neither daemon nor client: no EPIPE"
        is "$(timeout 10 head -n 1 <>"$T/out-1")" out "standard output is not lost"
        is "$(timeout 10 head -n 1 <>"$T/out-2")" err "standard error neither"
        must delete
        eventually nothing_kept
        ok $? "nothing is stored any more"
        rm -f "$T/out-1" "$T/out-2" "$T/in"
}

# A logger has the pipes, and nobody else: nothing of it need be kept.
logged_meanwhile() {
        local pid

        cat >"$T/vol/logger" <<END
#!/bin/bash
exec 5>&-
while read -r line <&3; do echo "\$line"; done >>"$T/vol/log"
echo end >>"$T/vol/log"
END
        chmod +x "$T/vol/logger"
        bundle . sh -c 'echo before; until [ -e /vol/go ]; do sleep 0.02; done; echo meanwhile; exit 57'
        create "{stdout_path: \"binary://$T/vol/logger\", stderr_path: \"binary://$T/vol/logger\"}" && must start
        pid=$(state .process.pid)
        without_daemon let_end "$pid"
        rm -f "$T/vol/go"
        is "$(status_of)" 57 "with a logger: it ended while no daemon was there"
        eventually grep -q end "$T/vol/log"
        is "$(paste -sd' ' "$T/vol/log")" "before meanwhile end" "the logger has all of it"
        must delete
        rm -f "$T/vol/log" "$T/vol/logger"
}

typed_meanwhile() { # the client of stdin goes while no daemon is there: that is no end of file
        mkfifo "$T/in"
        bundle . sh -c 'read -r line; echo "$line"; read -r line || exit 56; exit 55'
        exec {keys}<>"$T/in"
        create "{stdin_path: \"$T/in\", stdout_path: \"file://$T/out/$ID\"}" && must start
        without_daemon away
        eventually grep -q typed "$T/out/$ID"
        ok $? "what was typed arrives"
        status_is running
        ok $? "there was no end of file"
        must close_io
        is "$(status_of)" 56 "CloseIO is the end of file"
        must delete
        rm -f "$T/in"
}

away() {
        echo typed >&"$keys"
        exec {keys}>&-
}

# The record says what each descriptor is. One that is something else is not taken.
confused() {
        local old

        open_screen
        bundle '.process.terminal = true' sh -c "$talker"
        create "{terminal: true, stdin_path: \"$T/in\", stdout_path: \"$T/screen\"}" && must start
        shows begin "it has begun"
        mark
        without_daemon sed -i 's/"terminal_id": *[0-9]*/"terminal_id": 4242/' "$ROOT/state/_/$NS/$ID/meta.json"
        await_event warning '.message | contains("is not the one that the record names")'
        ok $? "a stored descriptor that is not what the record says is refused, and told"
        kill_and_remove
        close_screen
}

e2e_start
for_each_runtime terminal terminal_of_exec printed_meanwhile written_meanwhile logged_meanwhile typed_meanwhile confused
e2e_done
