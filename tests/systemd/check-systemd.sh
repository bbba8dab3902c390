#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# systemd for real: boots a tree in systemd-nspawn with this build installed into it, and runs inside.sh there: units, store,
# kills, restarts, an upgrade, the watchdog. The tree is the host's own /usr, below an overlay, and a fresh /etc and /var.
#   SYSTEMD_TREE=DIR        a Debian tree instead, which debootstrap makes there if it is not there yet
#   SYSTEMD_RUNTIMES=...    default: runc; one boot for each
#   SYSTEMD_CONTAINERS=N    as many more containers that run all the time
#   SYSTEMD_VM=1            a Debian tree in the virtual machine of tests/vm instead, where cgroups are pure v2, and only
#                           the systemd driver of the runtimes

: "${top_srcdir:=.}" "${top_builddir:=.}"
. "$top_srcdir/tests/tap.sh"
[ "$(id -u)" = 0 ] || skip_all "must be root"
command -v systemd-nspawn >/dev/null || skip_all "systemd-nspawn is not installed: run tools/install-deps"

T=$(mktemp -d "${TMPDIR:-/tmp}/sbs.XXXXXX") || exit 99
tree=${SYSTEMD_TREE-}
[ -z "${SYSTEMD_VM-}" ] || tree=${tree:-$T/tree}
nspawn=
finish() {
        [ -z "$nspawn" ] || { kill -KILL "$nspawn" 2>/dev/null; wait "$nspawn" 2>/dev/null; }
        umount "$T/root/usr" "$T/root" 2>/dev/null
        umount "$T/rw" 2>/dev/null
        rm -rf --one-file-system "$T"
}
trap finish EXIT
trap 'exit 1' INT TERM

packages=systemd,systemd-sysv,dbus,runc,crun,gojq,busybox-static,procps
packages=$packages,libev4,libnng1,libmsgpackc2,libcgroup2,libjansson4,libmount1,libsmartcols1,libprotobuf-c1,libseccomp2,libcap-ng0
if [ -n "$tree" ] && [ ! -x "$tree/sbin/init" ]; then
        command -v debootstrap >/dev/null || skip_all "debootstrap is not installed: run tools/install-deps"
        debootstrap --variant=minbase --include="$packages" bookworm "$tree" "${SYSTEMD_MIRROR:-http://deb.debian.org/debian}" >"$T/debootstrap" 2>&1 ||
                { tail -n 5 "$T/debootstrap" | sed 's/^/# /'; skip_all "debootstrap failed: no mirror?"; }
fi

overlay() { # LOWER AT; what is written goes to a tmpfs, since not everything that a host is made of can be written above
        mkdir -p "$2" "$T/rw/upper" "$T/rw/work" && mount -t overlay -o "lowerdir=$1,upperdir=$T/rw/upper,workdir=$T/rw/work" overlay "$2"
}

make_root() {
        local link

        mkdir -p "$T/rw" "$T/out"
        mount -t tmpfs -o mode=755 tmpfs "$T/rw" || skip_all "no tmpfs can be mounted"
        if [ -n "$tree" ]; then
                overlay "$tree" "$T/root" || skip_all "no overlay can be mounted above $tree"
        else
                mkdir -p "$T/root"/{etc/systemd/system,var,run,tmp,proc,sys,dev,root}
                overlay /usr "$T/root/usr" || skip_all "no overlay can be mounted above /usr"
                for link in bin sbin lib lib32 lib64 libx32; do
                        [ ! -L "/$link" ] || ln -s "usr/$link" "$T/root/$link"
                done
                cp -a /etc/alternatives /etc/passwd /etc/group /etc/ld.so.cache /etc/nsswitch.conf /usr/lib/os-release "$T/root/etc"
                : >"$T/root/etc/machine-id"
                ln -s /lib/systemd/system/multi-user.target "$T/root/etc/systemd/system/default.target"
        fi
        make -s -C "$top_builddir" install DESTDIR="$T/root" >"$T/install" 2>&1 || { tail -n 5 "$T/install" >&2; return 1; }
        ldconfig -r "$T/root"
        cp "$top_srcdir/tests/systemd/inside.sh" "$T/root/inside.sh"
        mkdir -p "$T/root/usr/local/bin" && cp "$top_builddir/tests/e2e/rpc" "$T/root/usr/local/bin/rpc"
        cat >"$T/root/etc/systemd/system/inside.service" <<END
[Unit]
After=multi-user.target
[Service]
Type=oneshot
Environment=RUNTIME=$1 CONTAINERS=${SYSTEMD_CONTAINERS:-0} DRIVER=$tree
ExecStart=/bin/bash /inside.sh
TimeoutStartSec=infinity
[Install]
WantedBy=multi-user.target
END
        mkdir -p "$T/root/etc/systemd/system/default.target.wants"
        ln -s /etc/systemd/system/inside.service "$T/root/etc/systemd/system/default.target.wants/inside.service"
}

# An initial root filesystem cannot be pivoted away from, which runtimes want to do: a mount of itself, moved above it, can.
make_vm() {
        kernel=$("$top_srcdir/tools/vm-kernel") || skip_all "there is no kernel for the virtual machine"
        sed -i '/^Type=/i Environment=DRIVER_ONLY=1 PATIENCE=300 "AT_END=grep -h . /out/tap /out/err >/dev/ttyS1"' "$T/root/etc/systemd/system/inside.service"
        mkdir -p "$T/root/out"
        printf '%s\n' '#!/bin/sh' 'mount --bind / /mnt' 'cd /mnt' 'mount --move . /' 'exec chroot . /lib/systemd/systemd' >"$T/root/init"
        chmod 755 "$T/root/init"
        (cd "$T/root" && find . \( -path ./usr/share/doc -o -path ./usr/share/locale -o -path ./usr/share/man -o -path './usr/share/perl*' \
                -o -path ./usr/share/zoneinfo -o -path ./var/lib/apt -o -path ./var/cache \) -prune -o -print | busybox cpio -o -H newc 2>/dev/null) >"$T/initrd"
}

boot_vm() {
        exec timeout -k 10 "${SYSTEMD_LIMIT:-900}" qemu-system-x86_64 -accel tcg,thread=multi -cpu qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt -smp 2 -m 2048 -nodefaults -display none -no-reboot \
                -kernel "$kernel"/boot/vmlinuz-* -initrd "$T/initrd" -append "console=ttyS0 quiet panic=-1 mitigations=off no_timer_check systemd.unified_cgroup_hierarchy=1" \
                -serial "file:$T/console" -serial "file:$T/serial" </dev/null >"$T/qemu" 2>&1
}

boot_nspawn() {
        exec timeout -k 10 "${SYSTEMD_LIMIT:-500}" systemd-nspawn -q -D "$T/root" -b --register=no --keep-unit --capability=all \
                --system-call-filter='@keyring bpf' --bind="$T/out:/out" --console=pipe </dev/null >"$T/console" 2>&1
}

boot() { # RUNTIME
        make_root "$1" || { echo "Bail out! the tree cannot be made"; exit 99; }
        if [ -n "${SYSTEMD_VM-}" ]; then
                make_vm
                boot_vm &
        else
                boot_nspawn &
        fi
        nspawn=$!
        wait "$nspawn"
        nspawn=
        if [ -n "${SYSTEMD_VM-}" ]; then
                : >"$T/out/begun"
                tr -d '\r' <"$T/serial" | sed -E '/^(ok|not ok|1\.\.|#)/!s/^/# /' >"$T/out/tap"
                ! grep -q '^1\.\.' "$T/out/tap" || : >"$T/out/done"
        fi
        umount "$T/root/usr" "$T/root" 2>/dev/null
        umount "$T/rw"
        rm -rf --one-file-system "$T/root"
        [ -e "$T/out/begun" ] || skip_all "systemd does not come up in systemd-nspawn here: $(tail -n 1 "$T/console")"
}

failed=0
for runtime in ${SYSTEMD_RUNTIMES:-runc}; do
        rm -rf "$T/out"
        boot "$runtime"
        sed "/^1\.\./d; s/^\(\(not \)\?ok\) [0-9]* - /\1 - $runtime: /" "$T/out/tap"
        tap_n=$((tap_n + $(grep -cE '^(not )?ok' "$T/out/tap")))
        if [ ! -e "$T/out/done" ] || grep -q '^not ok' "$T/out/tap"; then
                failed=1
                for file in console out/err out/journal; do
                        [ -s "$T/$file" ] && { echo "# --- $file"; tail -n 40 "$T/$file" | sed 's/^/# /'; } >&2
                done
        fi
        [ -e "$T/out/done" ] || { echo "Bail out! the tree did not come to its end"; exit 99; }
done
echo "1..$tap_n"
exit "$failed"
