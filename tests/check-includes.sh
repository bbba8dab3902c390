#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The rules that tools/check-includes knows: each finds what breaks it, and the tree breaks none.
set -u
shopt -s lastpipe # breaks() counts
. "$top_srcdir/tests/tap.sh"

dir=$(mktemp -d /tmp/sandboxd-test-XXXXXX)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir"/{base,proto,daemon,client/ctl,keeper}
good='/* SPDX-License-Identifier: Apache-2.0 */'

check() { # NAME: the one rule that the tree in $dir breaks
        "$top_srcdir/tools/check-includes" "$dir" | sed -n 's/^not ok [0-9]* - //p' | cut -c1-"${#1}" | xargs
}
breaks() { # FILE RULE: standard input in FILE breaks the rule that begins so
        { echo "$good"; cat; } >"$dir/$1"
        is "$(check "$2")" "$2" "$2: $1"
        rm "$dir/$1"
}

is "$(check x)" "" "an empty tree breaks nothing"
breaks base/x.c "includes go down" <<<'#include "proto/y.h"'
breaks daemon/x.c "includes go down" <<<'#include "client/client.h"'
breaks client/ctl/x.h "includes go down" <<<'#include "daemon/y.h"'
breaks client/x.c "includes go down" <<<'#include "client/ctl/ctl.h"'
breaks daemon/x.c "includes go down" <<<'#include "y.h"'
breaks daemon/x.c "one library, one file" <<<'#include <ev.h>'
breaks daemon/x.c "one library, one file" <<<'void f(void) { ev_io_start(loop, w); }'
breaks daemon/x.c "one library, one file" <<<'#include <nng/nng.h>'
breaks daemon/x.c "processes are created" <<<'int f(void) { return fork(); }'
breaks keeper/x.c "processes are created" <<<'int f(void) { return syscall(SYS_clone3, a, n); }'
{ printf '\n%.0s' {1..600}; } | breaks base/x.c "no file of more"
{ echo 'int f(void)'; echo '{'; printf 'x;\n%.0s' {1..61}; echo '}'; } | breaks base/x.c "no function of more"
breaks base/x.c "no tabs in code" <<<$'int\tx;'
breaks base/x.c "no blanks at the end" <<<'int x; '
printf '/* %0118d */\n' 0 | breaks base/x.c "no more than 120 columns"
breaks base/x.c "no numbers of issues" <<<'/* see issue 12 */'
good='' breaks base/x.c "every source names its licence" <<<'int x;'

# what looks like a violation and is none
cat >"$dir/daemon/x.c" <<'END'
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/loop.h"
#include "proto/proto.h"
/* fork() and #include "client/client.h" in a comment; ev_run(
 * and execve( */
const char *text = "fork() /* ", *other = "ev_run() \" popen()"; /* system() */
int c = '"', d = '\'';
void g(void) { pre_fork(); d->fork(c); }
END
is "$(check x)" "" "comments and strings do not count"
rm "$dir/daemon/x.c"

out=$("$top_srcdir/tools/check-includes" "$top_srcdir")
while read -r status rest; do
        case $status in
        ok) ok 0 "${rest#* - }" ;;
        not) rest=${rest#ok }; ok 1 "${rest#* - }" ;;
        '#') echo "# $rest" ;;
        esac
done <<<"$out"
done_testing
