#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Terminals: what is typed arrives, what is printed comes back, sizes are known, and signals are typed.

. "$top_srcdir/tests/e2e/lib.sh"

# script(1) gives sandboxctl a terminal of its own; "\r" is what a terminal makes of a new line.
in_terminal() { # COMMAND LINE, its input from a FIFO
        timeout -k 5 60 script -qec "$*" /dev/null
}

ctl() {
        echo "'$CTL' --socket '$SOCKET' -n '$NS'"
}

typed() { # waits for text in the output, then types more
        eventually grep -q "$1" "$T/out/$ID"
        ok $? "the terminal shows: $1"
        printf "$2" >&"$keys"
}

start_typing() {
        rm -f "$T/keys"
        mkfifo "$T/keys"
        exec {keys}<>"$T/keys"
}

interactive() {
        local session

        start_typing
        in_terminal "stty rows 33 cols 77; exec $(ctl) run -it --runtime $RUNTIME --rm --rootfs $ROOTFS $ID -- sh" <"$T/keys" >"$T/out/$ID" 2>&1 &
        session=$!
        printf 'echo re""ady; tty\n' >&"$keys"
        typed ready 'stty size\n'
        typed '33 77' 'echo $((6 * 7))\n'
        typed '^42' 'sleep 1000; echo interr""upted\n'
        eventually running_sleep
        printf '\003' >&"$keys"
        eventually grep -q 'sleep 1000' "$T/out/$ID"
        printf 'echo aft""er\n' >&"$keys"
        typed after 'exit 21\n'
        wait "$session"
        is $? 21 "the status of the shell comes out"
        exec {keys}>&-
        await_event delete
}

running_sleep() {
        sbx exec "$ID" ps 2>/dev/null | grep -q 'sleep 1000$'
}

exec_too() {
        local session

        sleeper
        start_typing
        in_terminal "$(ctl) exec -it $ID sh" <"$T/keys" >"$T/out/$ID" 2>&1 &
        session=$!
        printf 'echo re""ady\n' >&"$keys"
        typed ready 'exit 22\n'
        wait "$session"
        is $? 22 "an exec with a terminal"
        exec {keys}>&-
        kill_and_remove
}

resized() {
        mkfifo "$T/in" "$T/screen"
        exec {screen}<>"$T/screen" {keys}<>"$T/in"
        bundle '.process.terminal = true' sh -c 'stty size; read line; stty size; exit 23'
        create "{terminal: true, stdin_path: \"$T/in\", stdout_path: \"$T/screen\", console_width: 80, console_height: 25}" && must start
        read -r -t 20 line <&"$screen"
        is "${line%$'\r'}" "25 80" "the size that create was given"
        must resize '{width: 132, height: 50}'
        echo >&"$keys"
        read -r -t 20 line <&"$screen"
        read -r -t 20 line <&"$screen"
        is "${line%$'\r'}" "50 132" "the size that resize was given"
        is "$(status_of)" 23 "it ends"
        must delete
        exec {screen}>&- {keys}>&-
        rm -f "$T/in" "$T/screen"
}

much() { # everything that a terminal printed before the exit comes
        mkfifo "$T/screen"
        cat "$T/screen" >"$T/out/$ID" &
        bundle '.process.terminal = true' seq 1 50000
        create "{terminal: true, stdout_path: \"$T/screen\"}" && must start
        is "$(status_of)" 0 "it ends"
        must delete
        wait $!
        is "$(tail -n 1 "$T/out/$ID" | tr -d '\r')" 50000 "the last line has come"
        is "$(wc -l <"$T/out/$ID")" 50000 "and all before"
        rm -f "$T/screen"
}

detached() {
        local session

        start_typing
        in_terminal "$(ctl) run -it --runtime $RUNTIME --rootfs $ROOTFS $ID -- sh" <"$T/keys" >"$T/out/$ID" 2>&1 &
        session=$!
        printf 'echo re""ady\n' >&"$keys"
        typed ready '\020\021'
        wait "$session"
        is $? 0 "ctrl-p ctrl-q leaves"
        status_is running
        ok $? "it runs on"
        in_terminal "$(ctl) attach $ID" <"$T/keys" >>"$T/out/$ID" 2>&1 &
        session=$!
        printf 'echo ba""ck; exit 24\n' >&"$keys"
        typed back ''
        wait "$session"
        is $? 24 "attach goes on where it was left"
        exec {keys}>&-
        must delete
}

disagreement() {
        bundle '.process.terminal = true' true
        create_refused invalid-spec "config.json asks for a terminal, the request does not"
        bundle . true
        create_refused invalid-spec "and the other way round" "{terminal: true}"
}

e2e_start
for_each_runtime interactive exec_too resized much detached disagreement
e2e_done
