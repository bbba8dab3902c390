#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# systemd for real: boots a Debian tree in systemd-nspawn, with this build installed into it, and runs inside.sh there: units,
# store, kills, restarts, an upgrade, the watchdog. `make check-systemd`; not part of `make check`: making the tree takes a
# minute. SYSTEMD_TREE names a tree to keep and use again.
# SYSTEMD_VM=1: in the virtual machine of tests/vm instead, where cgroups are pure v2, and only the systemd driver of the runtimes.

: "${top_srcdir:=.}" "${top_builddir:=.}"
. "$top_srcdir/tests/tap.sh"
[ "$(id -u)" = 0 ] || skip_all "must be root"
for program in systemd-nspawn debootstrap; do
        command -v "$program" >/dev/null || skip_all "$program is not installed: run tools/install-deps"
done

T=$(mktemp -d "${TMPDIR:-/tmp}/sbs.XXXXXX") || exit 99
tree=${SYSTEMD_TREE:-$T/tree}
nspawn=
finish() {
        [ -z "$nspawn" ] || { kill -KILL "$nspawn" 2>/dev/null; wait "$nspawn" 2>/dev/null; }
        umount "$T/root" 2>/dev/null
        rm -rf "$T"
}
trap finish EXIT
trap 'exit 1' INT TERM

packages=systemd,systemd-sysv,dbus,runc,crun,gojq,busybox-static,procps
packages=$packages,libev4,libnng1,libmsgpackc2,libcgroup2,libjansson4,libmount1,libsmartcols1,libprotobuf-c1,libseccomp2,libcap-ng0
if [ ! -x "$tree/sbin/init" ]; then
        debootstrap --variant=minbase --include="$packages" bookworm "$tree" "${SYSTEMD_MIRROR:-http://deb.debian.org/debian}" >"$T/debootstrap" 2>&1 ||
                { tail -n 5 "$T/debootstrap" | sed 's/^/# /'; skip_all "debootstrap failed: no mirror?"; }
fi
mkdir -p "$T/root" "$T/upper" "$T/work" "$T/out"
mount -t overlay -o "lowerdir=$tree,upperdir=$T/upper,workdir=$T/work" overlay "$T/root" || exit 99
make -s -C "$top_builddir" install DESTDIR="$T/root" >"$T/install" 2>&1 || { tail -n 5 "$T/install" >&2; exit 99; }
cp "$top_srcdir/tests/systemd/inside.sh" "$T/root/inside.sh"
cp "$top_builddir/tests/e2e/rpc" "$T/root/usr/local/bin/rpc"
ldconfig -r "$T/root"
cat >"$T/root/etc/systemd/system/inside.service" <<END
[Unit]
After=multi-user.target
[Service]
Type=oneshot
Environment=RUNTIME=${RUNTIME:-runc}
ExecStart=/bin/bash /inside.sh
TimeoutStartSec=infinity
[Install]
WantedBy=graphical.target
END
mkdir -p "$T/root/etc/systemd/system/default.target.wants"
ln -s /etc/systemd/system/inside.service "$T/root/etc/systemd/system/default.target.wants/inside.service"

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
                -kernel "$kernel"/boot/vmlinuz-* -initrd "$T/initrd" -append "console=ttyS0 quiet panic=-1 mitigations=off systemd.unified_cgroup_hierarchy=1" \
                -serial "file:$T/console" -serial "file:$T/serial" </dev/null >"$T/qemu" 2>&1
}

boot_nspawn() {
        exec timeout -k 10 "${SYSTEMD_LIMIT:-400}" systemd-nspawn -q -D "$T/root" -b --register=no --keep-unit --capability=all \
                --system-call-filter='@keyring bpf' --bind="$T/out:/out" --console=pipe </dev/null >"$T/console" 2>&1
}

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
        tr -d '\r' <"$T/serial" | sed -E '/^(ok|not ok|1\.\.|#)/!s/^/# /' >"$T/out/tap"
        ! grep -q '^1\.\.' "$T/out/tap" || : >"$T/out/done"
fi
cat "$T/out/tap" 2>/dev/null
if [ ! -e "$T/out/done" ] || grep -q '^not ok' "$T/out/tap"; then
        for file in console out/err out/journal; do
                [ -s "$T/$file" ] && { echo "# --- $file"; tail -n 40 "$T/$file" | sed 's/^/# /'; } >&2
        done
fi
[ -e "$T/out/done" ] || { echo "Bail out! the tree did not come to its end"; exit 99; }
! grep -q '^not ok' "$T/out/tap"
