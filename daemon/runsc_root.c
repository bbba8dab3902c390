/* SPDX-License-Identifier: Apache-2.0 */

/* See runsc_root.h. */

#include "daemon/runsc_root.h"

#include <string.h>
#include <unistd.h>
#include "daemon/daemon.h"
#include "daemon/runsc_sub.h"

#define OWN '+' /* in no id and no namespace */

static bool alike(const char *a, const char *b)
{
        size_t na = strlen(a), nb = strlen(b);

        return strncmp(a, b, na < nb ? na : nb) == 0;
}

/* A container that runsc would take for c, or c for it. */
static const struct container *double_of(const struct container *c)
{
        const struct container *o, *tmp;

        HASH_ITER(hh, c->daemon->containers, o, tmp)
                if (o != c && o->made && o->runtime && o->runtime->driver == &runtime_runsc &&
                    strcmp(o->runtime->root, c->runtime->root) == 0 && alike(o->params->id, c->params->id))
                        return o;
        return NULL;
}

int runsc_root_choose(struct container *c, struct error *err)
{
        const struct container *box, *other;
        struct runtime *rt = c->runtime;

        box = runsc_is_sub(c) ? container_find(c->daemon, c->params->owner, c->params->ns, c->sandbox_id) : NULL;
        if (box && box->runtime && box->runtime->driver == rt->driver)
                rt->root = arena_strdup(rt->arena, box->runtime->root);
        if (!rt->root)
                return error_set(err, REASON_NO_RESOURCES, "no memory");
        other = double_of(c);
        if (!other)
                return 0;
        if (runsc_is_sub(c))
                return error_set(
                        err, REASON_INVALID_ID,
                        "runsc cannot tell \"%s\" from \"%s\" in the same pod, as one id begins with the other: "
                        "choose another one",
                        c->params->id, other->params->id);
        rt->root = arena_printf(rt->arena, "%s/%c%s", rt->root, OWN, c->params->id);
        return rt->root ? 0 : error_set(err, REASON_NO_RESOURCES, "no memory");
}

void runsc_root_leave(const struct container *c)
{
        const char *slash = strrchr(c->runtime->root, '/');

        if (slash && slash[1] == OWN)
                rmdir(c->runtime->root); /* the last one of the pod can */
}
