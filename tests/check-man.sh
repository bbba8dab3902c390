#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The manual pages of the daemon and the keeper, and that of the configuration, have every option and key, and no other.
set -u
. "$top_srcdir/tests/tap.sh"

doc=$top_srcdir/doc

# Options of the page: "\-\-log\-level" in a line of .B or .BI after .TP.
page_options() {
        grep -A1 '^\.TP' "$1" | sed -n 's/^\.BI\{0,1\} \(\\-\\-[a-z\\-]*\).*/\1/p' | tr -d '\\' | sort
}
help_options() {
        "$top_builddir/$1" --help 2>&1 | grep -oE -- '--[a-z][a-z-]*' | sort -u
}
for program in sandboxd sandboxd-keeper; do
        is "$(page_options "$doc/$program.8" | grep -v -x -e --help | xargs)" \
                "$(help_options $program | grep -v -x -e --help | xargs)" "$program(8) has the options of --help"
done

# "table.key" of the example, which a unit test holds against the daemon, and of the page. A runtime's are those of NAME.
example_keys() {
        awk '/^\[/ { t = substr($0, 2, index($0, "]") - 2); sub(/^runtimes\..*/, "runtimes.NAME", t) }
                /^[a-z_]+ =/ { print t "." $1 }' "$top_srcdir/contrib/sandboxd.toml" | sort -u
}
page_keys() {
        awk '/^\.S[SH]/ { t = $2; gsub(/[][]/, "", t) } after && $1 == ".BR" { print t "." $2 } { after = $1 == ".TP" }' \
                "$doc/sandboxd.toml.5" | sort
}
[ "$(example_keys | wc -l)" -gt 20 ]; ok $? "the example has keys"
is "$(page_keys | xargs)" "$(example_keys | xargs)" "sandboxd.toml(5) has the keys of the example"

# Numbers that are defaults of the example are in the page too, in the paragraph of their key.
missing=$(awk '/^\[/ { t = substr($0, 2, index($0, "]") - 2) } /^[a-z_]+ = [0-9_]+$/ { gsub("_", "", $3); print t, $1, $3 }' \
        "$top_srcdir/contrib/sandboxd.toml" | while read -r table key value; do
        awk -v table="[$table]" -v key="$key" -v value="$value" '
                /^\.S[SH]/ { here = 0; t = $2 }
                /^\.TP/ { here = 0 }
                $1 == ".BR" && $2 == key && t == table { here = 1 }
                here { text = text " " $0 }
                END { exit !index(text " ", "Default " value ".") }' "$doc/sandboxd.toml.5" || echo "$table.$key"
done)
is "$missing" "" "sandboxd.toml(5) has the defaults of the example"

for page in sandboxd.8 sandboxd-keeper.8 sandboxd.toml.5; do
        if command -v groff >/dev/null; then
                is "$(groff -man -ww -z -Tutf8 "$doc/$page" 2>&1)" "" "groff finds nothing wrong with $page"
        else
                skip "groff finds nothing wrong with $page" "no groff"
        fi
done
done_testing
