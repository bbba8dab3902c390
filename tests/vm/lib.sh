# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Tests in a virtual machine: the other cgroup world, and an older kernel (Debian's cloud kernel) than the host may have.
#
#   . "$top_srcdir/tests/vm/lib.sh"
#   vm_new v2                     which cgroups: v2 or v1
#   vm_test NAME COMMAND    a test inside that speaks TAP; its cases are ours, with NAME before them
#   vm_units NAME...        unit tests, if all is to be run, or if this host has not such cgroups itself
#   vm_e2e FILE RUNTIMES CASES...     some cases of a file of tests/e2e
#   vm_all                  all files of tests/e2e that apply; for each of the others a line with the reason
#   vm_run
#
#   VM_ALL=1      all that applies, not a choice
#   VM_FILES      with VM_ALL, only these: "oom queries test-oom"
#   VM_RUNTIMES   with VM_ALL, default: runc crun. With runsc, of which each system call is traced and emulated, it takes hours
#   VM_LIMIT      seconds for the whole; VM_FILE_LIMIT for one file of VM_ALL
#   VM_KEEP=1     leaves the archive and what the machine has printed
# The root filesystem is an archive of this host's packages and this tree's programs, unpacked by the kernel into memory; the
# machine is emulated (a machine in which this one runs rarely lends its processor to another), so that it is some ten times
# slower than the host.

: "${top_srcdir:=.}" "${top_builddir:=.}" "${VM_RUNTIMES:=runc crun}"
. "$top_srcdir/tests/tap.sh"

top_srcdir=$(realpath "$top_srcdir") top_builddir=$(realpath "$top_builddir")
qemu_pid=

vm_cleanup() {
        local status=$?

        trap - EXIT
        [ -z "$qemu_pid" ] || { kill -TERM "$qemu_pid" && wait "$qemu_pid"; } 2>/dev/null
        if [ -n "${VM_KEEP-}" ]; then echo "# kept: $V" >&2; else rm -rf "$V"; fi
        exit "$status"
}

# --- what is inside ---

vm_put() { # FILE [PATH THERE]: a program with its libraries, or any other file, at the same place
        local from to lib

        from=$(realpath "$1") || return
        to=$V/root${2:-$from}
        [ ! -e "$to" ] || return 0
        mkdir -p "${to%/*}"
        cp "$from" "$to"
        for lib in $(ldd "$from" 2>/dev/null | grep -o '/[^ )]*'); do
                vm_put "$lib"
                # the name by which it is looked for
                lib=$(realpath "${lib%/*}")/${lib##*/}
                [ -L "$V/root$lib" ] || [ -e "$V/root$lib" ] || ln -s "$(realpath "$lib")" "$V/root$lib"
        done
}

vm_program() { # NAME...: of this host
        local name path

        for name; do
                path=$(command -v "$name") || continue
                vm_put "$path"
                path=$(realpath "${path%/*}")/${path##*/}
                [ -e "$V/root$path" ] || ln -s "$(realpath "$path")" "$V/root$path"
        done
}

vm_built() { # PATH...: below the build directory
        local path

        for path; do
                need "$top_builddir/$path"
                vm_put "$top_builddir/$path" "/build/$path"
                strip -g "$V/root/build/$path" 2>/dev/null
        done
}

# Copies modules, those that they need first: in the order in which they are to be loaded.
vm_modules() { # NAME...
        local name file

        for name; do
                file=$(find "$VM_KERNEL/lib/modules" -name "${name//_/[-_]}.ko" -print -quit)
                if [ -z "$file" ] || [ -e "$V/root/vm/${file##*/}" ]; then
                        continue # built in, or there already
                fi
                cp "$file" "$V/root/vm/"
                # shellcheck disable=SC2046 # a list
                vm_modules $(tr '\0' '\n' <"$file" | sed -n 's/^depends=//p' | tr ',' ' ')
                echo "/vm/${file##*/}" >>"$V/root/vm/modules"
        done
}

vm_new() { # v1 or v2
        VM_KERNEL=$("$top_srcdir/tools/vm-kernel") || skip_all "there is no kernel for the virtual machine"
        ! ldd "$top_builddir/sandboxd" | grep -q 'lib[at]san' || skip_all "programs with sanitizers are too slow in an emulated machine"
        command -v qemu-system-x86_64 >/dev/null || { echo "Bail out! qemu-system-x86 is not installed: run tools/install-deps"; exit 99; }
        V=$(mktemp -d "${TMPDIR:-/tmp}/vm.XXXXXX") || exit 99
        trap vm_cleanup EXIT
        trap 'exit 1' INT TERM
        mkdir -p "$V"/root/{usr/{bin,sbin,lib,lib64},dev,proc,sys/fs,run,tmp,mnt,root,etc,vm,var/log,busybox,src,build}
        chmod 1777 "$V/root/tmp"
        ln -s usr/bin usr/sbin usr/lib usr/lib64 "$V/root/"
        ln -s ../run "$V/root/var/run"
        printf '%s\n' root:x:0:0:root:/root:/bin/sh nobody:x:65534:65534:nobody:/:/bin/sh >"$V/root/etc/passwd"
        printf '%s\n' root:x:0: nogroup:x:65534: >"$V/root/etc/group"
        cp "$top_srcdir/tests/vm/init" "$V/root/init"
        cp -r "$top_srcdir/tests" "$V/root/src/"
        vm_program busybox bash runc crun gojq mawk gawk grep sed find findmnt diff flock mountpoint ip stty strace \
                cat chmod cp cut date dd env head id ln ls mkdir mkfifo mktemp mv nproc od paste readlink realpath rm rmdir seq sleep \
                sort stat tac tail tee timeout touch tr truncate uniq wc yes
        [[ $VM_RUNTIMES != *runsc* ]] || vm_program runsc
        vm_rootfs
        vm_busybox
        vm_built sandboxd sandboxd-helper sandboxd-mount sandboxd-keeper sandboxctl tests/e2e/rpc tests/fake/fake-runtime
        echo "$1" >"$V/root/vm/cgroups"
        : >"$V/root/vm/modules"
        : >"$V/root/vm/list"
}

vm_rootfs() { # for containers: made once, here
        local name bin=$V/root/rootfs/bin

        mkdir -p "$V"/root/rootfs/{bin,proc,sys,dev,tmp,etc,root,vol}
        chmod 1777 "$V/root/rootfs/tmp"
        cp "$(command -v busybox)" "$bin/busybox"
        for name in $(busybox --list); do
                [ "$name" = busybox ] || ln -s busybox "$bin/$name"
        done
        cp "$V"/root/etc/{passwd,group} "$V/root/rootfs/etc/"
}

# What this list forgets, busybox has; it is searched last.
vm_busybox() {
        local name

        for name in $(busybox --list); do
                ln -s "$(realpath "$(command -v busybox)")" "$V/root/busybox/$name"
        done
        [ -e "$V/root/bin/busybox" ] || ln -s "$(realpath "$(command -v busybox)")" "$V/root/bin/busybox"
        [ -e "$V/root/bin/sh" ] || ln -s bash "$V/root/bin/sh"
        [ -e "$V/root/bin/awk" ] || ln -s "$(realpath "$(command -v awk)")" "$V/root/bin/awk"
}

vm_test() { # NAME COMMAND
        printf "%s\n" "$1|$2" >>"$V/root/vm/list"
}

vm_units() { # NAME...
        local one

        if [ -z "${VM_ALL-}" ]; then
                case $(cat "$V/root/vm/cgroups") in
                v1) [ ! -e /sys/fs/cgroup/memory/memory.limit_in_bytes ] || return 0 ;;
                v2) [ ! -e /sys/fs/cgroup/cgroup.controllers ] || return 0 ;;
                esac
        fi
        for one; do
                [[ -z ${VM_FILES-} || " $VM_FILES " = *" test-$one "* ]] || continue
                vm_built "tests/unit/test-$one"
                vm_test "test-$one" "OOM_KILLS=${OOM_KILLS:-20} /build/tests/unit/test-$one"
        done
}

vm_e2e() { # FILE RUNTIMES CASES
        vm_test "$1" "RUNTIMES='$2' E2E_CASE='$3' bash /src/tests/e2e/$1.sh"
}

# Why a file of tests/e2e is not run inside. What is not here is.
vm_left_out() { # FILE
        case $1 in
        containerd*) echo "containerd and its images are not in the machine; what it asks of cgroups, the other files ask" ;;
        gvisor*) echo "runsc is traced system call by system call, in a machine that is emulated" ;;
        fake-*) echo "the fake runtime makes no cgroups" ;;
        access | bad-input | keeper | no-room | terminal*) echo "it does not touch cgroups" ;;
        *) return 1 ;;
        esac
}

vm_all() {
        local file why

        for file in $(sed -n 's,^E2E_TESTS += tests/e2e/\(.*\)\.sh$,\1,p' "$top_srcdir/tests/e2e/local.mk"); do
                [[ -z ${VM_FILES-} || " $VM_FILES " = *" $file "* ]] || continue
                if why=$(vm_left_out "$file"); then
                        vm_test "$file" "echo '1..0 # SKIP $why'"
                else
                        vm_test "$file" "RUNTIMES='$VM_RUNTIMES' E2E_CASE='${E2E_CASE-}' OOM_STORM=${OOM_STORM-} E2E_LIMIT=${VM_FILE_LIMIT:-1500} bash /src/tests/e2e/$file.sh"
                fi
        done
}

# A block device, with the scheduler that knows weights: what limits of block I/O need.
vm_block() {
        vm_modules null_blk bfq
        : >"$V/root/vm/block"
}

# What criu wants beside itself: tar and gzip, and modules that a host has loaded.
vm_criu() {
        vm_program criu tar gzip
        vm_modules unix_diag tcp_diag udp_diag raw_diag inet_diag af_packet_diag netlink_diag tun veth nf_tables
}

# --- running it ---

# Numbers the cases of all tests in one row, and puts the name of their test before them.
vm_tap='
        { sub(/\r$/, "") }
        /^#! done/ { done = 1; next }
        /^#! begin / { name = $3; begun = $4; planned = seen = 0; next }
        /^#! end / {
                if ($5 != 0 && !bad) { n++; failed++; print "not ok " n " - " name ": ended with " $5 }
                else if (planned && planned != seen) { n++; failed++; print "not ok " n " - " name ": " seen " of " planned " cases" }
                printf "# %s: %.1f s\n", name, $4 - begun
                name = ""; bad = 0; next
        }
        /^#! / { print "# " substr($0, 4); next }
        # cmocka says "not ok" of what it skips
        name != "" && /^(not )?ok .*# SKIP/ { n++; seen++; sub(/^(not )?ok [0-9]* *(- )?/, ""); print "ok " n " - " name ": " $0; next }
        name != "" && /^(not )?ok [0-9]/ {
                n++; seen++; line = $0; sub(/^(not )?ok [0-9]* *(- )?/, "", line)
                if ($1 == "not") { failed++; bad = 1 }
                print ($1 == "not" ? "not ok " : "ok ") n " - " name ": " line; fflush(); next
        }
        name != "" && /^1\.\.0/ { n++; print "ok " n " - " name " # SKIP " substr($0, index($0, "SKIP") + 5); planned = 0; next }
        name != "" && /^1\.\.[0-9]+/ { planned = substr($0, 4) + 0; next }
        /^Bail out!/ { n++; failed++; bad = 1; print "not ok " n " - " name ": " $0; next }
        { print "# " $0; fflush() }
        END {
                if (!done) { n++; failed++; print "not ok " n " - the machine comes to its end"; if (name != "") print "# it stopped in " name }
                print "1.." n
                exit failed != 0
        }'

vm_run() {
        local kernel status vm_limit=1200

        [ -z "${VM_ALL-}" ] || vm_limit=10800
        kernel=$(echo "$VM_KERNEL"/boot/vmlinuz-*)
        (cd "$V/root" && find . | busybox cpio -o -H newc 2>/dev/null) >"$V/initrd" || { echo "Bail out! no initrd"; exit 99; }
        # What it has told until then is worth reading, too, when it does not come to its end.
        timeout --kill-after=5 "${VM_LIMIT:-$vm_limit}" qemu-system-x86_64 -accel tcg,thread=multi -cpu "${VM_CPU:-qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt}" -smp "${VM_CPUS:-2}" -m 1536 -nodefaults -display none -no-reboot \
                -kernel "$kernel" -initrd "$V/initrd" -append "console=ttyS0 quiet panic=-1 mitigations=off nokaslr nowatchdog no_timer_check ${VM_APPEND-}" \
                -serial "file:$V/console" -serial "file:$V/tap" </dev/null >"$V/qemu" 2>&1 &
        qemu_pid=$!
        wait "$qemu_pid"
        qemu_pid=
        awk "$vm_tap" "$V/tap"
        status=$?
        if [ "$status" != 0 ]; then
                tail -n 40 "$V/console" "$V/qemu" | sed 's/^/# /' >&2
        fi
        exit "$status"
}
