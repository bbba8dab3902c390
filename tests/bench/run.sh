#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The benchmarks: sandboxd and what it is measured against, in turns, printed as a table. Run by `make bench`, as root.
# A private daemon below a keeper, with root and socket on a tmpfs, in a memory cgroup of its own; all is removed after it.
#   BENCH_PARTS     of: rpc life exec ops fifo stats fleet; default: all; or gvisor (make bench-gvisor)
#   BENCH_RUNTIMES  default: those of crun runc runsc that are installed
#   BENCH_COUNT     rounds of each measurement; default 50
#   BENCH_FLEET     idle containers; default 300
set -euo pipefail

build=${top_builddir:?is the build directory; make bench sets it}
bench=$build/tests/bench/bench
parts=${BENCH_PARTS:-rpc life exec ops fifo stats fleet}
count=${BENCH_COUNT:-50}
fleet=${BENCH_FLEET:-300}
few=10 # containers in the smaller of the two fleets
runtimes=()
for r in ${BENCH_RUNTIMES:-crun runc runsc}; do
        if command -v "$r" >/dev/null; then runtimes+=("$r"); fi
done

[[ $(id -u) == 0 ]] || { echo "bench: needs root" >&2; exit 77; }
[[ ${#runtimes[@]} -gt 0 ]] || { echo "bench: none of the runtimes is installed" >&2; exit 77; }

# crun wants every controller of the kernel mounted
if [[ -d /sys/fs/cgroup/memory && -d /sys/fs/cgroup/hugetlb ]] && ! mountpoint -q /sys/fs/cgroup/hugetlb; then
        mount -t cgroup -o hugetlb none /sys/fs/cgroup/hugetlb
fi

dir=$(mktemp -d /dev/shm/sandboxd-bench.XXXXXX)
name=${dir##*.}
socket=$dir/root/sandboxd.sock
keeper=
memcg=/sys/fs/cgroup
[[ -d $memcg/memory ]] && memcg=$memcg/memory

daemon_stop() {
        [[ -n $keeper ]] || return 0
        kill -TERM "$keeper" 2>/dev/null || true
        wait "$keeper" 2>/dev/null || true
        keeper=
}

clean_up() {
        local status=$? r id
        trap - EXIT
        [[ $status == 0 ]] || { echo "bench: failed; the daemon's last words:" >&2; tail -n 20 "$dir/log" >&2; }
        for r in "${runtimes[@]}"; do
                for id in $(ls "$dir/root/runtime/$r/default" "$dir/peer-$r" 2>/dev/null | grep '^bench-'); do
                        "$r" --root "$dir/root/runtime/$r/default" delete --force "${id%%.*}" >/dev/null 2>&1 || true
                        "$r" --root "$dir/peer-$r" delete --force "${id%%.*}" >/dev/null 2>&1 || true
                done
        done
        daemon_stop
        find /sys/fs/cgroup -depth -type d -path "*/sandboxd-bench-$name*" -exec rmdir {} + 2>/dev/null || true
        umount -R "$dir"/root/* 2>/dev/null || true
        rm -rf --one-file-system "$dir"
        exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# --- memory cgroups: run NAME COMMAND... in one, what is charged to it ---

cgroup_of() { echo "$memcg/sandboxd-bench-$name-$1"; }

enter() {
        local cg
        cg=$(cgroup_of "$1")
        shift
        mkdir -p "$cg"
        echo "$BASHPID" >"$cg/cgroup.procs"
        exec "$@"
}

# bytes, user and kernel memory together
charged() {
        local cg
        cg=$(cgroup_of "$1")
        # pages of programs and closed files are not what we ask for; with retries, since the kernel frees in the background
        [[ -e $cg/memory.force_empty ]] && { echo 0 >"$cg/memory.force_empty"; } 2>/dev/null || true
        sleep 2
        [[ -e $cg/memory.force_empty ]] && { echo 0 >"$cg/memory.force_empty"; } 2>/dev/null || true
        if [[ -e $cg/memory.current ]]; then cat "$cg/memory.current"; else cat "$cg/memory.usage_in_bytes"; fi
}

# --- what the containers are made of ---

mkdir -p "$dir/rootfs"/{bin,proc,dev,sys,tmp,etc} "$dir/bundles"
cp /bin/busybox "$build/tests/bench/pause" "$dir/rootfs/bin/"
ln -s busybox "$dir/rootfs/bin/true"
ln -s busybox "$dir/rootfs/bin/dd"

# bundle NAME ARG...: its containers have a cgroup of that name, outside of ours
bundle() {
        local b=$dir/bundles/$1
        mkdir -p "$b"
        "$build/sandboxctl" spec --id "$1" --rootfs "$dir/rootfs" --read-only -- "${@:2}" |
                gojq --arg cg "/sandboxd-bench-$name/$1" '.linux.cgroupsPath = $cg' >"$b/config.json"
}

bundle true /bin/true
bundle pause /bin/pause
bundle pause-peer /bin/pause
mib=1024
bundle dd /bin/dd if=/dev/zero bs=64k count=$((mib * 16))
for ((i = 0; i < fleet; i++)); do
        mkdir -p "$dir/bundles/b$i"
        sed "s,/sandboxd-bench-$name/pause\",/sandboxd-bench-$name/f$i\"," "$dir/bundles/pause/config.json" >"$dir/bundles/b$i/config.json"
done

cat >"$dir/sandboxd.toml" <<END
[runtimes.runsc]
type = "runsc"
path = "runsc"
options = ["--platform=ptrace", "--network=none"]
END

daemon_start() {
        mkdir -p "$dir/root"
        enter daemon "$build/sandboxd-keeper" --root "$dir/root" -- \
                "$build/sandboxd" --config "$dir/sandboxd.toml" --root "$dir/root" >>"$dir/log" 2>&1 &
        keeper=$!
        for ((i = 0; i < 500; i++)); do
                [[ -S $socket ]] && SANDBOXD_SOCKET=$socket "$build/sandboxctl" info >/dev/null 2>&1 && return
                sleep 0.02
        done
        echo "bench: sandboxd does not answer" >&2
        exit 1
}

part() { "$bench" "$socket" "$dir" "$@"; }
wanted() { [[ " $parts " == *" $1 "* ]]; }
peer() { echo "$1 $(command -v "$1") $dir/peer-$1"; }

machine() {
        printf '\n%s CPUs (%s), %s MiB of memory, Linux %s, load %s\n' "$(nproc)" \
                "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | sed -n 1p)" \
                "$(($(sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo) / 1024))" "$(uname -r)" "$(cut -d' ' -f1 /proc/loadavg)"
        for r in "${runtimes[@]}"; do "$r" --version | sed -n 1p; done
}

header() {
        machine
        printf 'Medians, with minima in brackets; the peer of a command is the same command of the bare runtime.\n\n'
        printf '| what | sandboxd | peer | difference | ratio |\n|---|---|---|---|---|\n'
}

kib() { awk -v a="$1" -v b="$2" -v n="$3" 'BEGIN { printf "%.1f", (b - a) / n / 1024 }'; }

# The same containers by the bare runtime, from a memory cgroup of its own, show what of it is the containers' own.
bench_fleet() {
        local r=${runtimes[0]} empty ten all peer_few peer_all
        empty=$(charged daemon)
        part fleet start $(peer "$r") "$dir/bundles" 0 $((few - 1)) ours
        ten=$(charged daemon)
        part fleet start $(peer "$r") "$dir/bundles" $few $((fleet - 1)) ours
        all=$(charged daemon)
        part idle 30 "$keeper"
        part adopt "$fleet" "$keeper"
        sed -n 's/.* info took over \(.*\) in \([0-9]*\) us$/| of that, to decide about all \1 | \2 us | - | - | - |/p' "$dir/log" | tail -n 1
        part fleet stop $(peer "$r") "$dir/bundles" 0 $((fleet - 1)) ours

        (enter peer "$bench" "$socket" "$dir" fleet start $(peer "$r") "$dir/bundles" 0 $((few - 1)) peer)
        peer_few=$(charged peer)
        (enter peer "$bench" "$socket" "$dir" fleet start $(peer "$r") "$dir/bundles" $few $((fleet - 1)) peer)
        peer_all=$(charged peer)
        part fleet stop $(peer "$r") "$dir/bundles" 0 $((fleet - 1)) peer
        printf '| charged memory of daemon and keeper with 0, %d, %d containers | %d, %d, %d KiB | - | - | - |\n' $few "$fleet" \
                $((empty / 1024)) $((ten / 1024)) $((all / 1024))
        awk -v o="$(kib "$ten" "$all" $((fleet - few)))" -v p="$(kib "$peer_few" "$peer_all" $((fleet - few)))" \
                'BEGIN { printf "| charged memory for each further %s container, with what the runtime leaves | %.1f KiB | %.1f KiB | %+.1f KiB | %.2f |\n", "'"$r"'", o, p, o - p, o / p }'
}

# runc alone has a command for it
bench_stats() {
        local all="runc $(command -v runc) $dir/root/runtime/runc/default"

        # shellcheck disable=SC2086 # three words
        {
                part fleet start $all "$dir/bundles" 0 $((fleet - 1)) ours
                part stats $all "$fleet" 20
                part fleet stop $all "$dir/bundles" 0 $((fleet - 1)) ours
        }
}

# Proportional set sizes in MiB of all that is resident: ours, the sandboxes, their gofers.
resident() {
        local p args kind
        for p in /proc/[0-9]*; do
                args=$({ tr '\0' ' ' <"$p/cmdline"; } 2>/dev/null) || continue
                [[ $args == *"$dir/root"* ]] || continue
                case $args in
                *sandboxd*" --root $dir/root "*) kind=ours ;;
                runsc-sandbox*) kind=sandboxes ;;
                runsc-gofer*) kind=gofers ;;
                *) kind=other ;;
                esac
                sed -n "s/^Pss: *\([0-9]*\) kB/$kind \1/p" "$p/smaps_rollup" 2>/dev/null
        done | awk '{ kib[$1] += $2; n[$1]++ }
                END { printf "%.1f MiB (%d processes) | %.1f MiB (%d) | %.1f MiB (%d) | %d", kib["ours"] / 1024, n["ours"],
                        kib["sandboxes"] / 1024, n["sandboxes"], kib["gofers"] / 1024, n["gofers"], n["other"] }'
}

bench_gvisor() {
        local n from=0 available
        mkdir -p "$dir/rootfs/bin"
        ln -sf busybox "$dir/rootfs/bin/echo"
        bundle first /bin/echo x
        machine
        printf 'Medians, with minima in brackets.\n\n'
        part gvisor $(peer runsc) "$dir/bundles/pause" "$dir/bundles/first" "$count"
        printf '\n| sandboxes | sandboxd and keeper | the sandboxes | their gofers | other processes | with Go shims and `runsc wait` beside them |\n|---|---|---|---|---|---|\n'
        for n in 1 20 100; do
                available=$(($(sed -n 's/^MemAvailable: *\([0-9]*\).*/\1/p' /proc/meminfo) / 1024))
                [[ $n -le $fleet && $available -gt $((n * 30 + 1024)) ]] || continue
                part fleet start $(peer runsc) "$dir/bundles" $from $((n - 1)) ours >/dev/null
                from=$n
                printf '| %d | %s | + %d MiB (10 MiB each, measured with 8 of them) |\n' "$n" "$(resident)" $((n * 10))
        done
        part fleet stop $(peer runsc) "$dir/bundles" 0 $((from - 1)) ours >/dev/null
}

# what else the machine does should hit the measured as little as it can, both sides alike
renice -n -20 $$ >/dev/null 2>&1 || true
daemon_start
if wanted gvisor; then
        bench_gvisor
        exit 0
fi
header
if wanted rpc; then part rpc 10000; fi
for r in "${runtimes[@]}"; do
        n=$count
        [[ $r == runsc ]] && n=$((count / 5 > 0 ? count / 5 : 1)) # it takes its time
        if wanted life; then part life $(peer "$r") "$dir/bundles/true" "$n"; fi
        if wanted exec; then part exec $(peer "$r") "$dir/bundles/pause" "$n"; fi
        if wanted ops; then part ops $(peer "$r") "$dir/bundles/pause" "$n"; fi
done
if wanted fifo; then part fifo $(peer "${runtimes[0]}") "$dir/bundles/dd" "$dir/rootfs/bin/busybox" $mib 7; fi
if wanted stats && command -v runc >/dev/null; then bench_stats; fi
if wanted fleet; then bench_fleet; fi
sed -n "s/.* warn \(the loop was held up\)/bench: \1/p" "$dir/log" >&2
