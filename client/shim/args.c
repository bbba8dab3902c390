/* SPDX-License-Identifier: Apache-2.0 */

/* A flag that takes a value takes the next word whatever it is, as in Go; an unknown one takes it only if it is not a
 * flag. */

#include "client/shim/args.h"

#include <stddef.h>
#include <string.h>
#include "base/cleanup.h"

struct flag {
        const char *name;
        size_t text, boolean; /* offset of the member, and 0 for the other kind: no flag is at offset 0 */
};
#define TEXT(name, member) { name, offsetof(struct shim_args, member), 0 }
#define BOOLEAN(name, member) { name, 0, offsetof(struct shim_args, member) }

static const struct flag flags[] = {
        TEXT("namespace", ns),       TEXT("id", id),           TEXT("address", address),   TEXT("bundle", bundle),
        TEXT("owner", owner),        TEXT("socket", socket),   TEXT("listen", listen),   TEXT("keep", keep),
        TEXT("cgroup", cgroup),      TEXT("oom-score", oom_score), BOOLEAN("sched-core", sched_core),
        BOOLEAN("debug", debug),     BOOLEAN("info", info),    BOOLEAN("version", version), BOOLEAN("v", version),
        BOOLEAN("help", help),       BOOLEAN("h", help),
};

static const struct flag *find(const char *name, size_t len)
{
        for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
                if (strlen(flags[i].name) == len && strncmp(flags[i].name, name, len) == 0)
                        return &flags[i];
        return NULL;
}

static bool is_flag(const char *word)
{
        return word[0] == '-' && word[1] != '\0';
}

static bool truth(const char *value)
{
        return !value || strcmp(value, "1") == 0 || strcmp(value, "t") == 0 || strcasecmp(value, "true") == 0;
}

/* Returns how many words of argv it took beside its own. */
static int take_flag(struct shim_args *ret, const char *word, const char *next)
{
        const char *name = word + 1 + (word[1] == '-'), *equals = strchr(name, '=');
        const struct flag *flag = find(name, equals ? (size_t)(equals - name) : strlen(name));

        if (flag && flag->boolean) {
                *(bool *)((char *)ret + flag->boolean) = truth(equals ? equals + 1 : NULL);
                return 0;
        }
        if (flag && (equals || next))
                *(const char **)(void *)((char *)ret + flag->text) = equals ? equals + 1 : next;
        if (equals || !next)
                return 0;
        return flag || !is_flag(next) ? 1 : 0;
}

void shim_args_parse(struct shim_args *ret, int argc, char *const *argv)
{
        *ret = (struct shim_args){ .action = NULL };
        for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
                if (!flags[i].boolean)
                        *(const char **)((char *)ret + flags[i].text) = "";
        for (int i = 1; i < argc; i++) {
                if (is_flag(argv[i]))
                        i += take_flag(ret, argv[i], argv[i + 1]);
                else if (!ret->action)
                        ret->action = argv[i];
        }
}
