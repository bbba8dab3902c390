#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds the fuzz targets with clang and runs each for some seconds, from its corpus. New inputs stay in the build directory.
# usage: tests/fuzz/run.sh [SECONDS [TARGET...]]      FUZZ_BUILD: build directory
set -euo pipefail
seconds=${1:-60}
shift || true
src=$(cd "$(dirname "$0")/../.." && pwd)
build=${FUZZ_BUILD:-$src/build-fuzz}

if ! echo 'int LLVMFuzzerTestOneInput(const char *d, long n) { return 0; }' |
     clang -fsanitize=fuzzer,address -x c - -o /dev/null 2>/dev/null; then
        echo "clang with libFuzzer is not here: nothing was fuzzed" >&2
        exit 77
fi
mkdir -p "$build"
cd "$build"
[ -e Makefile ] || "$src/configure" -q CC=clang CFLAGS='-O1 -g' --enable-fuzzers
make -s -j2 fuzzers > /dev/null
[ $# -gt 0 ] || set -- $(make -s fuzzers | tr ' ' '\n' | sed 's,.*/fuzz-,,')
status=0
for target; do
        mkdir -p "found/$target" "failed/$target"
        echo "== $target: $seconds seconds"
        "tests/fuzz/fuzz-$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 \
                -artifact_prefix="failed/$target/" "found/$target" "$src/tests/fuzz/corpus/$target" 2> "$target.log" || {
                echo "$target FAILED: see $build/$target.log and $build/failed/$target" >&2
                status=1
        }
        grep -E '^(stat::number_of_executed_units|stat::new_units_added|stat::peak_rss_mb)|ERROR|SUMMARY' "$target.log" || true
done
exit $status
