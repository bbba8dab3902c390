/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sandboxd-helper and sandboxd-mount do for the daemon what may block: mounts, unmounts, removal of trees, reading of
 * clients' files, network namespaces. One call, one job; exit status 0, or 1 and one line on standard error. Every job
 * can be repeated: doing what is done already is success, so that a daemon that died in between just runs it again.
 *
 * sandboxd-helper is also what every other command begins as (base/spawn.h).
 */

#include <stddef.h>
#include "base/error.h"

#define HELPER_FAILED 1 /* struct error's reason: the daemon knows what it wanted, and reads the sentence */

#define HELPER_INPUT_MAX (8U << 20) /* bytes of a list of mounts */
#define HELPER_MOUNTS_MAX 1024
#define HELPER_FILE_MAX (4 << 20)       /* bytes of a file to read */

/* mount.c: one mount of the list; all strings are never NULL. */
struct helper_mount {
        const char *type;    /* "bind", "overlay", "tmpfs", "ext4" ... */
        const char *source;  /* a path, or any word */
        const char *target;  /* below the root file system; "" is itself */
        const char *options; /* with commas between; "bind", "rbind", "ro", "loop" are known beside the type's own */
};
/* Mounts in order. On a failure what was mounted is unmounted again. rootfs is made if it is not there. */
int helper_mount(const char *rootfs, const struct helper_mount *mounts, size_t n, struct error *err);

/* umount.c: unmounts everything at and below the directory. */
int helper_umount(const char *path, struct error *err);

/* rmtree.c: removes a tree; mounts in it and what symbolic links name is not touched. */
int helper_rmtree(const char *path, struct error *err);

/* netns.c: a new network namespace, bind-mounted to a file. */
int helper_netns(const char *path, struct error *err);
int helper_netns_remove(const char *path, struct error *err);

/* give.c: sends descriptors 0, 1 and 2 over a socket. */
int helper_give(const char *socket, struct error *err);

/* image.c: makes the file of a checkpoint in the directory, and sends it. */
int helper_image(const char *dir, struct error *err);

/* volumes.c: which of the patterns on standard input there are below the directory, and are they empty? */
int helper_volumes(const char *dir, struct error *err);

/* write.c: replaces a regular file by standard input. */
int helper_write(const char *path, struct error *err);

/* read.c: writes a regular file to standard output. */
int helper_read(const char *path, struct error *err);
