#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `make bench-containerd`: makes the image that containerd.py runs. Arguments: ROUNDS [FLEET...]

: "${top_srcdir:=.}" "${top_builddir:=.}"
. "$top_srcdir/tests/e2e/image.sh"
for program in containerd ctr runc gojq busybox; do
        command -v "$program" >/dev/null || { echo "$program is not installed: run tools/install-deps" >&2; exit 1; }
done
dir=$(mktemp -d /tmp/sbx-image.XXXXXX)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/rootfs"/{bin,proc,sys,dev,tmp}
cp "$(command -v busybox)" "$dir/rootfs/bin/busybox"
for applet in true sleep; do
        ln -s busybox "$dir/rootfs/bin/$applet"
done
oci_image "$dir/rootfs" example.com/bench:1 "$dir/image.tar" /bin/true
SANDBOXD=$(realpath "$top_builddir/sandboxd") PATH=$(realpath "$top_builddir"):$PATH \
        /usr/bin/python3 "$top_srcdir/tests/bench/containerd.py" "$dir/image.tar" example.com/bench:1 "${@:-30}"
