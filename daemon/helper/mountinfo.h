/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* /proc/self/mountinfo, parsed (proc(5)): octal escapes are resolved. */

#include <stdbool.h>
#include <stddef.h>

struct mountinfo_entry {
        const char *point;
        bool shared; /* a peer group: what is mounted below shows up in other mount namespaces */
};
struct mountinfo {
        char *text; /* the entries point into it */
        struct mountinfo_entry *entries; /* in the kernel's order: oldest first */
        size_t n;
};
#define MOUNTINFO_NULL ((struct mountinfo){ 0 })

int mountinfo_read(struct mountinfo *ret); /* 0 or -errno */
/* Takes the text, also on failure: 0, -ENOMEM, or -EBADMSG. */
int mountinfo_parse(struct mountinfo *ret, char *text);
void mountinfo_deinit(struct mountinfo *m);

/* Is `point` the directory `path` or something below it? Both without a final slash, but for "/". */
bool mountinfo_is_below(const char *point, const char *path);
/* The mount in which path lies (the last one of the deepest mount point), or NULL. */
const struct mountinfo_entry *mountinfo_find(const struct mountinfo *m, const char *path);
