#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Unpacks a package of Debian 13 into a directory, without installing it; what is there already is taken.
# usage: debian13.sh DIRECTORY PACKAGE: prints the directory of its programs. Exit status 75: the mirror can't be reached.

set -eu
dir=$(realpath -m "$1") package=$2
work=$(mktemp -d /tmp/sbx-deb.XXXXXX)
trap 'rm -rf "$work"' EXIT
mirror=$(sed -nE 's/^URIs: *//p; s/^deb (\[[^]]*\] )?(http[^ ]*) bookworm .*/\2/p' /etc/apt/sources.list \
        /etc/apt/sources.list.d/* 2>/dev/null | grep -m 1 'debian/*$' || echo http://deb.debian.org/debian)

# The file that it is known to be, with what is in it: to ask for Debian's index takes five times as long.
known() {
        case $package-$(dpkg --print-architecture) in
        runsc-amd64) echo pool/main/g/golang-gvisor-gvisor/runsc_0.0%7e20240729.0-4%2bb7_amd64.deb \
                3c25a5130dfac2f71237d5baad56ac86a255de87a0400f11b36a555156dc325a ;;
        containerd-amd64) echo pool/main/c/containerd/containerd_1.7.24%7eds1-6%2bdeb13u1_amd64.deb \
                ed708deb96fe476a3bce4efa5c0538dfbcf717ab9a7c7944ba7260342c25899c ;;
        esac
}

fetch_known() {
        local file sum

        read -r file sum < <(known) || return 1
        timeout 60 /usr/lib/apt/apt-helper -qq -o APT::Sandbox::User=root -o Acquire::http::Timeout=20 \
                download-file "${mirror%/}/$file" "$work/${package}_known.deb" "SHA256:$sum" >&2
}

# Another version of it is there by now.
fetch_newest() {
        mkdir -p "$work"/lists/partial "$work"/cache/archives/partial
        echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$work/sources.list"
        cat >"$work/apt.conf" <<END
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "$work/lists";
Dir::State::status "/dev/null";
Dir::Cache "$work/cache";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "20";
END
        export APT_CONFIG=$work/apt.conf
        rm -f "$work/${package}"_*.deb
        (cd "$work" && timeout 120 apt-get -qq -o APT::Update::Error-Mode=any update >&2 && timeout 120 apt-get -qq download "$package" >&2)
}

if [ ! -x "$dir/usr/bin/$package" ]; then
        mkdir -p "$dir"
        fetch_known || fetch_newest || exit 75
        dpkg-deb -x "$work/$package"_*.deb "$dir"
fi
echo "$dir/usr/bin"
