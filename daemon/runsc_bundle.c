/* SPDX-License-Identifier: Apache-2.0 */

/* See runsc_bundle.h. What is on the host is looked at by the helper: a volume may be on a filesystem that hangs. The
 * client's config.json is replaced: `restore` and an operator's runsc read it too. */

#include "daemon/runsc_bundle.h"

#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "daemon/daemon.h"
#include "daemon/runsc_sub.h"
#include "daemon/runtime_oci.h"
#include "daemon/spec_gvisor.h"

#define LOG_DIRECTORY "io.kubernetes.cri.sandbox-log-directory"

/* --- config.json --- */

static const char *config_path(struct op *op)
{
        return arena_printf(op->arena, "%s/config.json", op->container->params->bundle);
}

static void written(struct command *cmd, const struct command_result *res)
{
        struct op *op = cmd->data;
        struct error err = ERROR_NULL;

        if (!res->ok)
                command_error(res, "prepare", &err);
        op_finish(op, res->ok ? NULL : &err);
}

static void rewrite(struct op *op, const struct spec_gvisor_volume *volumes)
{
        struct error err = ERROR_NULL;
        const char *text;

        if (spec_gvisor_rewrite(op->text, op->text_len, volumes, op->arena, &text, &err) < 0) {
                op_finish(op, &err);
                return;
        }
        if (!text) {
                op_finish(op, NULL);
                return;
        }
        op->text = text;
        op->text_len = strlen(text);
        oci_helper(op, "write", config_path(op), COMMAND_CREATE);
        op->command.input = (void *)op->text;
        op->command.input_len = op->text_len;
        oci_submit(op, written);
}

static const char *word(const char **p, const char *end)
{
        const char *start = *p, *nul = start < end ? memchr(start, '\0', (size_t)(end - start)) : NULL;

        if (!nul)
                return "";
        *p = nul + 1;
        return start;
}

static void looked(struct command *cmd, const struct command_result *res)
{
        struct op *op = cmd->data;
        const char *p = res->output, *end = p ? p + res->output_len : p;
        struct spec_gvisor_volume *volumes;
        struct error err = ERROR_NULL;
        struct strs questions;

        if (!res->ok) {
                command_error(res, "prepare", &err);
                op_finish(op, &err);
                return;
        }
        if (spec_gvisor_questions(op->text, op->text_len, op->arena, &questions, &err) < 0) {
                op_finish(op, &err);
                return;
        }
        volumes = arena_alloc(op->arena, (questions.n + 1) * sizeof(*volumes));
        if (!volumes)
                abort(); /* see op_new */
        for (size_t i = 0; i < questions.n; i++) {
                volumes[i].n = strtoul(word(&p, end), NULL, 10);
                volumes[i].path = arena_strdup(op->arena, word(&p, end));
                volumes[i].empty = strcmp(word(&p, end), "full") != 0;
        }
        rewrite(op, volumes);
}

void runsc_bundle_adjust(struct op *op)
{
        struct error err = ERROR_NULL;
        struct buf b = BUF_NULL;
        struct strs questions;
        void *copy;

        if (spec_gvisor_questions(op->text, op->text_len, op->arena, &questions, &err) < 0) {
                op_finish(op, NULL); /* what is wrong with it is said by who reads it next */
                return;
        }
        if (!questions.n) {
                rewrite(op, NULL);
                return;
        }
        for (size_t i = 0; i < questions.n; i++)
                buf_append(&b, questions.items[i], strlen(questions.items[i]) + 1);
        copy = arena_alloc(op->arena, buf_len(&b) + 1);
        if (!copy || b.failed)
                abort(); /* see op_new */
        memcpy(copy, buf_head(&b), buf_len(&b));
        oci_helper(op, "volumes", SPEC_GVISOR_PODS, COMMAND_CREATE);
        op->command.input = copy;
        op->command.input_len = buf_len(&b);
        buf_deinit(&b);
        oci_submit(op, looked);
}

/* --- logs --- */

static const char *log_directory(const struct op *op)
{
        const struct container *c = op->container;
        const char *dir = c->spec ? spec_annotation(c->spec, LOG_DIRECTORY) : NULL;

        return op->kind == OP_CREATE && !runsc_is_sub(c) && dir && dir[0] == '/' ? dir : NULL;
}

static bool is_option(const char *option, const char *name)
{
        size_t len = strlen(name);

        option += strspn(option, "-");
        return strncmp(option, name, len) == 0 && (!option[len] || option[len] == '=');
}

void runsc_bundle_global(struct op *op)
{
        const struct strs *options = &op->container->runtime->options;
        const char *dir = log_directory(op);

        for (size_t i = 0; dir && i < options->n; i++)
                if (is_option(options->items[i], "panic-log"))
                        dir = NULL;
        if (dir)
                command_argf(&op->command, "--panic-log=%s/gvisor_panic.log", dir);
}

void runsc_bundle_create(struct op *op)
{
        const char *dir = log_directory(op);

        if (dir)
                command_argf(&op->command, "--user-log=%s/gvisor.log", dir);
}

/* --- options --- */

static const char *with_id(const char *option, const char *id, struct arena *a)
{
        static const char mark[] = "%ID%";
        _cleanup_(buf_deinit) struct buf b = BUF_NULL;
        const char *at;

        if (!strstr(option, mark))
                return option;
        while ((at = strstr(option, mark))) {
                buf_append(&b, option, (size_t)(at - option));
                buf_append(&b, id, strlen(id));
                option = at + strlen(mark);
        }
        buf_append(&b, option, strlen(option) + 1);
        return b.failed ? NULL : arena_strdup(a, (const char *)buf_head(&b));
}

const char *runsc_bundle_option(const char *option, const char *id, struct arena *a, bool *kept)
{
        static const char *const ours[] = { "root", "log", "log-format" };

        for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
                if (is_option(option, ours[i]))
                        *kept = false;
        return with_id(option, id, a);
}

/* --- the cgroup --- */

bool runsc_bundle_cgroup_is_pods(const struct container *c)
{
        const char *own = strrchr(c->cgroups_path, '/'), *is = c->cgroup ? strrchr(cgroup_path(c->cgroup), '/') : NULL;

        return own && is && own[1] && strncmp(is + 1, "pod", 3) == 0 && strcmp(own, is) != 0;
}
