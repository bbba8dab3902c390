#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The library as others see it: its headers alone compile as C99, C11 and C++, it exports what its header says and no more,
# and a program links with the shared and with the static form and needs neither nng nor a thread library of ours.
set -u
. "$top_srcdir/tests/tap.sh"
check() { # NAME COMMAND...
        local name=$1
        shift
        "$@" >"$dir/out" 2>&1
        local r=$?
        ok $r "$name"
        [ $r = 0 ] || sed 's/^/#   /' "$dir/out"
}

dir=$(mktemp -d /tmp/sandboxd-test-XXXXXX)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/sandboxd"
cp "$top_srcdir/client/client.h" "$top_builddir/client/methods.h" "$dir/sandboxd/"
lib=$top_builddir/.libs
src=$top_srcdir/tests/client/outside.c
san=
nm -D "$lib/libsandboxd-client.so" 2>/dev/null | grep -q __asan && san="-fsanitize=address,undefined"
warn="-Wall -Wextra -Wshadow -pedantic -Werror"
CC=${CC:-cc}

check "C99" $CC -std=c99 $warn -I"$dir" -c "$src" -o "$dir/c99.o"
check "C11" $CC -std=c11 $warn -I"$dir" -c "$src" -o "$dir/c11.o"
if command -v c++ >/dev/null; then check "C++" c++ -x c++ -std=c++11 $warn -I"$dir" -c "$src" -o "$dir/cxx.o"; else skip "C++" "no compiler"; fi
check "the header alone" bash -c "printf '#include <sandboxd/client.h>\n' | $CC -std=c99 $warn -I'$dir' -xc -c - -o '$dir/h.o'"

check "links with the shared library" $CC $san "$dir/c99.o" -L"$lib" -lsandboxd-client -Wl,-rpath,"$lib" -o "$dir/shared"
check "links with the static library" $CC $san "$dir/c99.o" "$lib/libsandboxd-client.a" -lmsgpackc -o "$dir/static"
for p in shared static; do
        is "$("$dir/$p" "$dir/none")" "error unavailable 14" "runs with the $p library"
done
needs=$(readelf -d "$lib/libsandboxd-client.so" | sed -n 's/.*NEEDED.*\[\(.*\)\.so.*/\1/p' | grep -v -E '^lib(asan|ubsan|m|gcc_s|pthread|dl|rt)$' | sort | xargs)
is "$needs" "libc libmsgpackc" "needs msgpack and the C library only"

nm -D --defined-only "$lib/libsandboxd-client.so" | awk '{print $3}' | grep -v -E '^(__asan|__ubsan|__sanitizer|_fini|_init|__odr)' | sort >"$dir/exported"
sort "$top_srcdir/client/client.sym" >"$dir/wanted"
check "exports client.sym" diff "$dir/wanted" "$dir/exported"
grep -oE '\bsandboxd_[a-z_]+\(' <(sed 's,/\*.*\*/,,; /^\/\*/,/\*\//d' "$dir/sandboxd/client.h") | tr -d '(' | sort -u >"$dir/declared"
check "client.sym is what client.h declares" diff "$dir/wanted" "$dir/declared"
done_testing
