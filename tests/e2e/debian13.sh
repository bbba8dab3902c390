#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Unpacks a package of Debian 13 into a directory, without installing it; what is there already is taken.
# usage: debian13.sh DIRECTORY PACKAGE: prints the directory of its programs. Exit status 75: the mirror can't be reached.

set -eu
dir=$(realpath -m "$1") package=$2
if [ ! -x "$dir/usr/bin/$package" ]; then
        work=$(mktemp -d /tmp/sbx-deb.XXXXXX)
        trap 'rm -rf "$work"' EXIT
        mkdir -p "$work"/lists/partial "$work"/cache/archives/partial "$dir"
        mirror=$(sed -nE 's/^URIs: *//p; s/^deb (\[[^]]*\] )?(http[^ ]*) bookworm .*/\2/p' /etc/apt/sources.list \
                /etc/apt/sources.list.d/* 2>/dev/null | grep -m 1 'debian/*$' || echo http://deb.debian.org/debian)
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
        cd "$work"
        timeout 120 apt-get -qq -o APT::Update::Error-Mode=any update >&2 && timeout 120 apt-get -qq download "$package" >&2 || exit 75
        dpkg-deb -x "$package"_*.deb "$dir"
fi
echo "$dir/usr/bin"
