/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Between the files of spec: builders of the parts of a config.json. Each returns a new reference, or NULL with *err.
 */

#include <jansson.h>
#include "client/ctl/spec.h"
#include "proto/proto.h"

json_t *spec_strings(const char *const *items); /* NULL-terminated; may be NULL */
json_t *spec_process_object(const struct spec_process *p, const char *rootfs, struct error *err);
int spec_process_apply(json_t *process, const struct spec_process *p, const char *rootfs, struct error *err);
json_t *spec_mounts(const struct spec_params *p, struct error *err);
json_t *spec_resources_object(const struct spec_limits *limits, struct error *err);

/* Looks up "UID[:GID]" or names, in the /etc/passwd and /etc/group of rootfs (never outside of it). home: may be NULL.
 */
struct spec_user {
        uint32_t uid, gid;
        char home[256];
};
int spec_user_parse(const char *text, const char *rootfs, struct spec_user *ret, struct error *err);
