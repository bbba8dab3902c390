#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The generated documents in the tree are what their generators write: after a change of a table, `make docs`.
. "$top_srcdir/tests/tap.sh"

check() { # GENERATOR DOCUMENT
        local difference

        difference=$("$top_builddir/tools/$1" "$top_srcdir/doc/$2.in" 2>&1 | diff "$top_srcdir/doc/$2" - 2>&1)
        ok $? "doc/$2 is up to date"
        [ -z "$difference" ] || printf '%s\n' "$difference" | head -20 | sed 's/^/# /'
}

check gen-docs protocol.md
check gen-states states.md

template=$(mktemp)
printf 'x\n@nonsense@\n' > "$template"
! "$top_builddir/tools/gen-docs" "$template" > /dev/null 2>&1
ok $? "a marker that nobody knows is an error"
rm -f "$template"

while read -r name; do
        grep -q "^### $name\$" "$top_srcdir/doc/protocol.md" || { ok 1 "$name is documented"; continue; }
        ok 0 "$name is documented"
done < <(grep -oP '^X\(\w+, "\K[^"]+' "$top_srcdir/proto/methods.def")
while read -r name; do
        grep -q "^| \`$name\` |" "$top_srcdir/doc/protocol.md" || { ok 1 "$name is documented"; continue; }
        ok 0 "$name is documented"
done < <(cat "$top_srcdir/proto/errors.def" "$top_srcdir/proto/events.def" | grep -oP '^X\([^"]*"\K[^"]+')
done_testing
