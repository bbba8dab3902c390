#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What is written about sandboxctl agrees with its tables: the help, the manual page, the shell completions.
set -u
. "$top_srcdir/tests/tap.sh"
PATH=$(cd "$top_builddir" && pwd):$PATH
page=$top_srcdir/doc/sandboxctl.1
dir=$(mktemp -d /tmp/sandboxd-test-XXXXXX)
trap 'rm -rf "$dir"' EXIT
export SANDBOXD_SOCKET=$dir/none

verbs=$(sandboxctl help --list | cut -f1)
[ "$(wc -l <<<"$verbs")" -ge 20 ]; ok $? "there are verbs"
sandboxctl --help >"$dir/help"

# --- help ---
missing=$(for v in $verbs; do grep -q "^  $v " "$dir/help" || echo "$v"; done)
is "$missing" "" "--help names every verb"
missing=$(for v in $verbs; do sandboxctl "$v" --help | grep -q "^Usage: sandboxctl $v" || echo "$v"; done)
is "$missing" "" "every verb has help"
missing=$(for v in $verbs; do
        sandboxctl "$v" --help >"$dir/verb"
        for o in $(sandboxctl help --list "$v" | cut -f1); do grep -q -- " $o\b" "$dir/verb" || echo "$v$o"; done
done)
is "$missing" "" "the help of a verb names its options"

# --- manual page ---
# A verb is ".Ss NAME", an option below it ".It Fl -NAME" or in its section's common list.
missing=$(for v in $verbs; do grep -q "^\.Ss $v\b" "$page" || echo "$v"; done)
is "$missing" "" "the manual page has every verb"
too_many=$(sed -n 's/^\.Ss \([a-z]*\).*/\1/p' "$page" | grep -v -x -F "$verbs")
is "$too_many" "" "and no other"
documented=$(sed -n 's/^\.It .*Fl -\([a-z-]*\).*/--\1/p' "$page" | sort -u)
missing=$(for v in $verbs; do sandboxctl help --list "$v" | cut -f1; done | sort -u | grep -v -x -F -e "$documented")
is "$missing" "" "the manual page has every option"
known=$(for v in $verbs; do sandboxctl help --list "$v" | cut -f1; done | sort -u)
is "$(grep -v -x -F -e "$known" <<<"$documented")" "" "and no other"
if command -v mandoc >/dev/null; then
        is "$(mandoc -T lint -W warning "$page" 2>&1 | grep -v 'referenced manual not found')" "" "mandoc finds nothing wrong"
else
        skip "mandoc finds nothing wrong" "no mandoc"
fi

# --- bash ---
complete_bash() { # WORDS...: what is offered for the last one
        bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sandboxctl; printf "%s\n" "${COMPREPLY[@]}"' - \
                "$top_srcdir/contrib/completion/bash/sandboxctl" "$@"
}
is "$(complete_bash sandboxctl '' | sort)" "$(sort <<<"$verbs")" "bash: verbs"
is "$(complete_bash sandboxctl re | xargs)" "resume restore" "bash: the beginning of a verb"
is "$(complete_bash sandboxctl kill --si)" "--signal" "bash: options of the verb"
is "$(complete_bash sandboxctl kill -s US | xargs)" "USR1 USR2" "bash: values of an option"
is "$(complete_bash sandboxctl --format '' | xargs)" "table json" "bash: values of a global option"
is "$(complete_bash sandboxctl help pa)" "pause" "bash: verbs as arguments"

# --- zsh ---
if command -v zsh >/dev/null; then
        zsh -n "$top_srcdir/contrib/completion/zsh/_sandboxctl"; ok $? "zsh: no syntax error"
        out=$(zsh -f -c 'autoload -U compinit; compadd() { shift; print -l -- "$@" }; _describe() { shift; [[ $1 == option ]] && shift; print -l -- ${(P)1%%:*} }
                words=(sandboxctl ""); CURRENT=2; source $1' - "$top_srcdir/contrib/completion/zsh/_sandboxctl" | sort)
        is "$out" "$(sort <<<"$verbs")" "zsh: verbs"
        out=$(zsh -f -c 'compadd() { shift; print -l -- "$@" }; words=(sandboxctl kill -s ""); CURRENT=4; source $1' - \
                "$top_srcdir/contrib/completion/zsh/_sandboxctl" | xargs)
        like "$out" "HUP INT QUIT KILL*" "zsh: values of an option"
else
        skip "zsh" "no zsh"
fi
done_testing
