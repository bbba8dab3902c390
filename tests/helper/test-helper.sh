# SPDX-License-Identifier: Apache-2.0
# sandboxd-helper: mounts, unmounts, removes trees and makes network namespaces, again and again.

. "$top_srcdir/tests/tap.sh"
need "$top_builddir/sandboxd-helper"
need "$top_builddir/sandboxd-mount"
[ "$(id -u)" = 0 ] || skip_all "needs root"
# In a mount namespace of its own: whatever goes wrong is gone with it. It is shared inside, as a host's is with systemd.
if [ -z "$HELPER_TEST_NS" ]; then
        HELPER_TEST_NS=1 exec unshare --mount --propagation private bash "$0" "$@"
fi
helper=$top_builddir/sandboxd-helper
mount=$top_builddir/sandboxd-mount
dir=$(mktemp -d) || exit 1
mount -t tmpfs tmpfs "$dir" || skip_all "cannot mount"
mount --make-shared "$dir"
finish() {
        umount -R "$dir"
        rmdir "$dir"
}
trap finish EXIT

run() { timeout 60 "$helper" "$@" 2>"$dir/err" </dev/null; }
error() { cat "$dir/err"; }
mnt() { # ROOTFS FIELDS...: four for each mount
        local rootfs=$1
        shift
        printf '%s\0' "$@" | timeout 60 "$mount" "$rootfs" 2>"$dir/err"
}
mounts_below() { grep -c " $1\(/[^ ]*\)\? " /proc/self/mountinfo; }
r=$dir/rootfs

# --- usage ---
run && false
is $? 1 "no command"
run frobnicate x
is $? 1 "an unknown command"
for command in umount rmtree netns netns-remove; do
        run $command relative/path
        is "$?/$(wc -l <"$dir/err")" 1/1 "$command: a relative path is refused in one line"
done
run rmtree /
is "$?" 1 "rmtree: / is refused"
run rmtree "$dir/.."
is "$?" 1 "rmtree: .. is refused"

# --- mount ---
mkdir -p "$dir/low/a" "$dir/low/b" "$dir/up" "$dir/work" "$dir/src"
echo a >"$dir/low/a/file"
echo b >"$dir/low/b/other"
echo src >"$dir/src/file"
mnt "$r" bind "$dir/src" "" rbind,ro
ok $? "bind, read-only"
is "$(cat "$r/file")" src "... shows the source"
! touch "$r/x" 2>/dev/null
ok $? "... and is read-only"
run umount "$r"
is "$?/$(mounts_below "$r")" "0/0" "umount"
is "$(stat -c %a "$r")" 711 "the directory was made"
mnt "$r" overlay overlay "" "index=off,workdir=$dir/work,upperdir=$dir/up,lowerdir=$dir/low/a:$dir/low/b"
ok $? "overlay"
is "$(cat "$r/file" "$r/other" | xargs)" "a b" "... of two layers"
run umount "$r"
mkdir "$dir/src/sub"
ln -s /etc "$dir/src/link"
ln -s sub "$dir/src/inside"
mnt "$r" bind "$dir/src" "" bind tmpfs tmpfs sub size=64k,mode=0700 tmpfs tmpfs inside size=64k
is "$?/$(mounts_below "$r/sub")" "0/2" "targets below the root file system, also by a link"
mnt "$r" tmpfs tmpfs link size=64k
is "$?/$(mounts_below /etc)" "1/0" "a link that leaves it is resolved inside"
run umount "$r"
is "$?/$(mounts_below "$r")" "0/0" "umount of all of them"
mnt "$r" tmpfs tmpfs "" size=1m bind "$dir/src" nothere ro
is "$?/$(mounts_below "$r")" "1/0" "a failure unmounts what was mounted"
like "$(error)" "mount 2 of 2: *nothere*No such file*" "... and says which"
mnt "$r" nosuchfs none "" ""
is "$?/$(wc -l <"$dir/err")" 1/1 "an unknown type: one line"
like "$(error)" "*nosuchfs*" "... that names it"
printf 'bind\0/a\0' | timeout 10 "$mount" "$r" 2>/dev/null
is $? 1 "a list that is cut between fields"
printf 'bind\0/a\0\0ro' | timeout 10 "$mount" "$r" 2>/dev/null
is $? 1 "a list that is cut in a field"
mnt "$r" tmpfs tmpfs "" "size=$(printf '%05000d' 1)"
is $? 1 "options beyond a page are refused, not cut by the kernel"

# --- overlays of many layers, with names that need escapes and more than a page of them ---
list=
for i in $(seq 300); do
        layer="$dir/low/layer-with-a-rather-long-name,and:punctuation\\$i"
        mkdir "$layer"
        echo "$i" >"$layer/file-$i"
        echo "$i" >"$layer/same"
        layer=${layer//\\/\\\\}
        layer=${layer//:/\\:}
        list=$list:${layer//,/\\,}
done
mnt "$r" overlay overlay "" "workdir=$dir/work,lowerdir=${list#:},upperdir=$dir/up"
ok $? "overlay of 300 layers, $((${#list} / 1024)) KiB of options"
is "$(ls "$r" | grep -c file-)" 300 "... all are there"
is "$(cat "$r/same")" 1 "... in their order"
touch "$r/new" && [ -e "$dir/up/new" ]
ok $? "... and the upper one is written to"
run umount "$r"
mnt "$r" overlay overlay "" "lowerdir=${list#:}:$dir/missing"
is "$?/$(mounts_below "$r")" "1/0" "... one that is missing"
like "$(error)" "*$dir/missing: No such file*" "... is named"

# --- loop ---
if [ -e /dev/loop-control ] && command -v mkfs.ext4 >/dev/null && grep -qw ext4 /proc/filesystems; then
        truncate -s 2M "$dir/image"
        mkfs.ext4 -q "$dir/image"
        mnt "$r" ext4 "$dir/image" "" loop,ro
        ok $? "loop"
        [ -d "$r/lost+found" ]
        ok $? "... is mounted"
        run umount "$r"
        released() { [ -z "$(losetup -j "$dir/image")" ]; }
        eventually released
        ok $? "... and the loop device is released"
else
        skip "loop" "needs loop devices and mkfs.ext4"
fi

# --- umount ---
run umount "$r" && run umount "$dir/nothing/here"
ok $? "umount of nothing"
mkdir -p "$dir/t/a b" "$dir/tt"
mount -t tmpfs t "$dir/t"
mount -t tmpfs tt "$dir/tt"
mkdir -p "$dir/t/a b" "$dir/t/c\\d" "$dir/t/e"
mount -t tmpfs t1 "$dir/t/a b"
mount -t tmpfs t2 "$dir/t/c\\d"
mount -t tmpfs t3 "$dir/t/e"
mount -t tmpfs t4 "$dir/t/e"
mount -t tmpfs t5 "$dir/t"
ln -s "$dir" "$dir/self"
run umount "$dir/self/t"
is "$?/$(mounts_below "$dir/t")" "0/0" "umount of stacked and nested mounts, odd names, by a link"
is "$(mounts_below "$dir/tt")" 1 "... not of its neighbour"
mount -t tmpfs busy "$dir/t"
exec 9>"$dir/t/open"
run umount "$dir/t"
is "$?/$(mounts_below "$dir/t")" "0/0" "a busy one is detached"
echo still >&9
ok $? "... and its user may go on"
exec 9>&-
umount "$dir/tt"

# --- rmtree ---
mkdir -p "$dir/tree/a/b/c" "$dir/tree/mnt" "$dir/outside"
touch "$dir/tree/a/b/c/f" "$dir/outside/precious" "$dir/tree/mntfile"
ln -s "$dir/outside" "$dir/tree/a/link"
ln "$dir/outside/precious" "$dir/tree/a/hard"
mkfifo "$dir/tree/fifo"
mount --bind "$dir/outside" "$dir/tree/mnt"
run rmtree "$dir/tree"
is "$?/$(wc -l <"$dir/err")" "1/1" "rmtree refuses a mount in the tree"
like "$(error)" "*mnt*mount point*" "... and says so"
[ -e "$dir/outside/precious" ]
ok $? "... and does not go into it"
umount "$dir/tree/mnt"
run rmtree "$dir/tree"
is "$?/$(test -e "$dir/tree" || echo gone)" "0/gone" "rmtree"
[ -e "$dir/outside/precious" ]
ok $? "... does not follow links"
run rmtree "$dir/tree" && run rmtree "$dir/nothing/here"
ok $? "... of nothing"
ln -s "$dir/outside" "$dir/link"
run rmtree "$dir/link"
is "$?/$(ls "$dir/outside")" "1/precious" "... of a link is refused"
mount --bind "$dir/outside" "$dir/src"
run rmtree "$dir/src"
is "$?/$(ls "$dir/outside")" "1/precious" "... of a mount point is refused"
umount "$dir/src"
(
        mkdir "$dir/deep" && cd "$dir/deep" || exit 1
        fifty=$(printf 'd/%.0s' {1..50})
        for i in $(seq 30); do
                mkdir -p "$fifty" .sandboxd-rmtree-1-1 x && touch f && cd "$fifty" || exit 1
        done
)
is "$(find "$dir/deep" -type d -name d | wc -l)" 1500 "(a tree 1500 deep)"
(ulimit -n 64 && run rmtree "$dir/deep")
is "$?/$(test -e "$dir/deep" || echo gone)" "0/gone" "... 1500 deep with 64 descriptors"
mkdir "$dir/wide" && (cd "$dir/wide" && seq 5000 | xargs touch)
run rmtree "$dir/wide"
is "$?/$(test -e "$dir/wide" || echo gone)" "0/gone" "... 5000 wide"

# --- volumes, write ---
mkdir -p "$dir/pods/u/volumes/"{a,b,c}/v "$dir/pods/u/volumes/a/own" "$dir/pods/u/volumes/a/s*r"
touch "$dir/pods/u/volumes/b/v/file" "$dir/pods/u/volumes/a/own/.gvisor.filestore.1"
volumes() { printf '%s\0' "$@" | timeout 60 "$helper" volumes "$dir/pods" 2>"$dir/err" | sed "s|$dir/pods/||g" | tr '\0' ' '; }
is "$(volumes 'u/volumes/*/v' u/volumes/b/v u/volumes/a/own 'u/volumes/*/none' 'u/volumes/a/s\*r')" \
        "3 u/volumes/a/v empty 1 u/volumes/b/v full 1 u/volumes/a/own empty 0  empty 1 u/volumes/a/s*r empty " "volumes: how many, which, empty or not"
touch "$dir/pods/u/volumes/a/own/.gvisor.filestore.2"
is "$(volumes u/volumes/a/own)" "1 u/volumes/a/own full " "... two files of gVisor are not one"
is "$(printf 'x\0' | "$helper" volumes "$dir/nothing" | tr '\0' ' ')" "0  empty " "... below a directory that is not there"
echo old >"$dir/file" && chmod 640 "$dir/file" && chown 5:6 "$dir/file"
echo new | "$helper" write "$dir/file"
is "$?/$(cat "$dir/file") $(stat -c '%a %u %g' "$dir/file") $(ls "$dir"/file*)" "0/new 640 5 6 $dir/file" "write: replaces a file, and nothing else of it"
echo new | "$helper" write "$dir/nothing/file" 2>"$dir/err"
is "$?/$(wc -l <"$dir/err")" 1/1 "... in no directory"

# --- netns ---
ns=$dir/netns/one
run netns "$ns"
ok $? "netns: $(error)"
is "$(stat -f -c %T "$ns")" nsfs "... is mounted"
[ "$(stat -L -c %i "$ns")" != "$(stat -L -c %i /proc/self/ns/net)" ]
ok $? "... is another one"
like "$(nsenter --net="$ns" cat /proc/net/dev | grep -c :)" 1 "... has only the loopback"
inode=$(stat -L -c %i "$ns")
run netns "$ns"
is "$?/$(stat -L -c %i "$ns")" "0/$inode" "... again: the same"
run netns "$dir/netns/two"
is "$?/$(mounts_below "$dir/netns")" "0/3" "a second one: one private mount for both"
grep " $dir/netns" /proc/self/mountinfo | grep -q shared:
is $? 1 "... nothing of it is shared"
for i in 1 2 3 4 5 6; do run netns "$dir/par/n$i" & done
wait
is "$(mounts_below "$dir/par")" 7 "six at once"
touch "$dir/netns/three"
run netns "$dir/netns/three"
is "$?/$(stat -f -c %T "$dir/netns/three")" "0/nsfs" "a file that a dead helper left"
run netns-remove "$ns"
is "$?/$(test -e "$ns" || echo gone)" "0/gone" "netns-remove"
run netns-remove "$ns" && run netns-remove "$dir/nothing/here"
ok $? "... again"
run netns-remove "$dir/outside/../low/a/file"
is "$?/$(cat "$dir/low/a/file")" "1/a" "... of a file with something in it is refused"

done_testing
