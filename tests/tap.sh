# SPDX-License-Identifier: Apache-2.0
# TAP for tests in bash: `. "$top_srcdir/tests/tap.sh"`, then ok/is/like/skip, and done_testing at the end.

: "${top_srcdir:=.}" "${top_builddir:=.}"
tap_n=0
tap_failed=0

ok() { # STATUS NAME: ok $? "does this"
        tap_n=$((tap_n + 1))
        if [ "$1" = 0 ]; then
                echo "ok $tap_n - ${tap_prefix-}$2"
        else
                tap_failed=$((tap_failed + 1))
                echo "not ok $tap_n - ${tap_prefix-}$2"
        fi
}

is() { # GOT WANTED NAME
        if [ "$1" = "$2" ]; then
                ok 0 "$3"
        else
                ok 1 "$3"
                printf '%s\n' "got:    $1" "wanted: $2" | sed 's/^/#   /'
        fi
}

like() { # GOT GLOB NAME
        # shellcheck disable=SC2053 # the right side is a pattern
        if [[ $1 == $2 ]]; then
                ok 0 "$3"
        else
                ok 1 "$3"
                printf '%s\n' "got:         $1" "wanted like: $2" | sed 's/^/#   /'
        fi
}

skip() { # NAME REASON
        tap_n=$((tap_n + 1))
        echo "ok $tap_n - ${tap_prefix-}$1 # SKIP $2"
}

skip_all() { # REASON
        echo "1..0 # SKIP $1"
        exit 0
}

need() { # PROGRAM...: of this tree; without them a test would only do harm
        local program

        for program; do
                [ -x "$program" ] && continue
                echo "Bail out! $program is not built"
                exit 99
        done
}

# Repeats a command until it succeeds, for at most a minute: for facts that only the kernel decides when (an exit, a mount).
eventually() {
        local deadline=$((SECONDS + 60))

        until "$@"; do
                [ "$SECONDS" -lt "$deadline" ] || return 1
                sleep 0.01
        done
}

done_testing() {
        echo "1..$tap_n"
        [ "$tap_failed" = 0 ]
}
