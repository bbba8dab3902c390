#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Standard input and output without a terminal: nothing that was written before an exit is lost; a client may go and come back.

. "$top_srcdir/tests/e2e/lib.sh"

fifos() { # makes the three FIFOs of $ID
        mkdir -p "$T/io"
        IN=$T/io/in OUT=$T/io/out ERR=$T/io/err
        rm -f "$IN" "$OUT" "$ERR"
        mkfifo "$IN" "$OUT" "$ERR"
}

with_fifos() { # ARG...
        bundle . "$@"
        create "{stdin_path: \"$IN\", stdout_path: \"$OUT\", stderr_path: \"$ERR\"}"
}

# 8 MiB, then the exit and the removal at once, before a reader has even begun.
nothing_is_lost() {
        local reader errors

        fifos
        with_fifos sh -c 'dd if=/dev/zero bs=64k count=128 2>/dev/null; echo the end >&2'
        cat "$OUT" | wc -c >"$T/io/count" &
        reader=$!
        cat "$ERR" >"$T/io/errors" &
        errors=$!
        must start
        is "$(status_of)" 0 "it ends"
        must delete
        wait "$reader" "$errors"
        is "$(cat "$T/io/count")" 8388608 "8 MiB have come"
        is "$(cat "$T/io/errors")" "the end" "and what was on the other one"
}

# What fits into the FIFO is there after the removal, also for a reader that opened it before and reads later.
read_later() {
        local text

        fifos
        exec {held}<>"$OUT"
        with_fifos sh -c 'echo last words'
        must start
        is "$(status_of)" 0 "it ends"
        must delete
        read -r -t 10 text <&"$held"
        is "$text" "last words" "they are read after its removal"
        exec {held}<&-
}

# The reader goes away and another one comes: no EPIPE, no end of file for the process.
reader_restarts() {
        fifos
        with_fifos sh -c 'while read -r line; do echo "got $line"; done; echo eof; exit 3'
        must start
        exec {in}>"$IN" {out}<"$OUT"
        echo one >&"$in"
        read -r -t 10 line <&"$out"
        is "$line" "got one" "a line goes through"
        exec {in}>&- {out}<&-
        status_is running
        ok $? "the client has gone, the process runs on"
        exec {in}>"$IN" {out}<"$OUT"
        echo two >&"$in"
        read -r -t 10 line <&"$out"
        is "$line" "got two" "the next client goes on"
        must close_io
        status_is running
        ok $? "close_io alone is no end of file, as long as a client writes"
        exec {in}>&-
        read -r -t 10 line <&"$out"
        is "$line" "eof" "with the last client gone the process sees the end"
        exec {out}<&-
        is "$(status_of)" 3 "and ends"
        must delete
}

closed_first() { # the client is gone already when close_io comes
        fifos
        with_fifos sh -c 'cat >/dev/null; exit 4'
        must start
        must close_io
        is "$(status_of)" 4 "end of file by close_io"
        must close_io || true
        must delete
}

to_files() {
        run sh -c 'echo one; echo two >&2; echo three'
        is "$(status_of)" 0 "it ends"
        is "$(output | paste -sd' ')" "one two three" "both streams in one file, in order"
        must delete
        bundle . sh -c 'echo four'
        create '{stdout_path: "file://'"$T/out/$ID"'"}' && must start
        call wait
        is "$(output | paste -sd' ')" "one two three four" "a file is appended to"
        must delete
}

to_nowhere() {
        bundle . sh -c 'echo lost; echo lost >&2; read line || exit 8'
        create && must start
        is "$(status_of)" 8 "without any stdio: /dev/null, and end of file at once"
        must delete
}

to_a_program() {
        cat >"$T/io/logger" <<'END'
#!/bin/bash
{ echo "for $CONTAINER_NAMESPACE/$CONTAINER_ID with $*"; } >"$2"
exec 5>&-
while read -r line <&3; do echo "out: $line"; done >>"$2"
while read -r line <&4; do echo "err: $line"; done >>"$2"
echo "end" >>"$2"
END
        chmod +x "$T/io/logger"
        bundle . sh -c 'echo one; echo two >&2; echo three'
        create '{stdout_path: "binary://'"$T/io/logger?file=$T/io/log"'", stderr_path: "binary://'"$T/io/logger?file=$T/io/log"'"}' && must start
        is "$(status_of)" 0 "it ends"
        must delete
        eventually grep -q end "$T/io/log"
        ok $? "the logger sees the end of both"
        is "$(paste -sd' ' "$T/io/log")" "for $NS/$ID with file $T/io/log out: one out: three err: two end" "it has got everything"
        rm -f "$T/io/log"
}

bad_programs() {
        printf '#!/bin/bash\nexit 1\n' >"$T/io/logger"
        chmod +x "$T/io/logger"
        bundle . true
        create_refused invalid-argument "a logger that does not exist" '{stdout_path: "binary://'"$T/io/none"'"}'
        create_refused invalid-argument "a logger that is never ready" '{stdout_path: "binary://'"$T/io/logger"'"}'
        refused not-found "then there is no container" state
}

wrong() {
        bundle . true
        create_refused unknown-stdio "an unknown scheme" '{stdout_path: "ftp://host/file"}'
        create_refused invalid-argument "a relative path" '{stdout_path: "relative"}'
}

by_sandboxctl() {
        is "$(echo hello | sbx run -i --runtime "$RUNTIME" --rm --rootfs "$ROOTFS" "$ID" -- sh -c 'read line; echo "got $line"')" "got hello" \
                "sandboxctl run -i"
        await_event delete
        sleeper
        is "$(seq 1 100000 | sbx exec -i "$ID" sh -c 'sort -n | tail -n 1')" 100000 "sandboxctl exec -i"
        is "$(sbx exec "$ID" sh -c 'dd if=/dev/zero bs=64k count=128 2>/dev/null' | wc -c)" 8388608 "8 MiB out of an exec"
        kill_and_remove
}

mkdir -p "$T/io"
e2e_start
for_each_runtime nothing_is_lost read_later reader_restarts closed_first to_files to_nowhere to_a_program bad_programs wrong by_sandboxctl
e2e_done
