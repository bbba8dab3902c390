/* SPDX-License-Identifier: Apache-2.0 */

/*
 * `start`: tells sandboxd who calls, and prints where containerd is to connect. Standard output and error together are
 * the answer, so nothing else is written. The container itself is made later, by Create.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/fd.h"
#include "client/shim/bootstrap.h"
#include "client/shim/json.h"
#include "client/shim/place.h"
#include "client/shim/shim.h"
#include "client/shim/stub.h"
#include "proto/proto.h"

#define PATIENCE_MS 10000 /* sandboxd may be on its way up */
#define TIMEOUT_MS  20000
#define CONFIG_MAX  (16 * 1024 * 1024) /* bytes of config.json */

/* One that runs already; it may be gone, the next is there by itself. 0 or -1. */
static int place(pid_t front, const struct owner_attach_params *asked)
{
        int r;

        if (front <= 1)
                return 0;
        place_oom_score(front, asked->oom_score);
        r = asked->cgroup[0] ? place_in_cgroup(front, asked->cgroup) : 0;
        if (r == 0 || r == -ESRCH)
                return 0;
        stub_fail("cannot put the shim into the cgroup %s (ShimCgroup of its options): %s", asked->cgroup,
                  strerrordesc_np(-r));
        return -1;
}

/* Where containerd takes events. The memory is static: there is one. */
static const char *ttrpc_address(const struct shim_args *args, const struct bootstrap *asked)
{
        static char derived[PATH_MAX];
        const char *env = getenv("TTRPC_ADDRESS");

        if (env && *env)
                return stub_path(env);
        if (bootstrap_ttrpc_address(asked)[0])
                return stub_path(bootstrap_ttrpc_address(asked));
        snprintf(derived, sizeof(derived), "%s.ttrpc", stub_path(args->address));
        return derived;
}

/* containerd 1.x finds the running shim by this file after a restart. 0 or -errno. */
static int write_address_file(const char *bundle, const char *address)
{
        _cleanup_(fd_closep) int dir = open(bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;
        int r;

        if (dir < 0)
                return -errno;
        fd = openat(dir, ".address", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        r = fd_write_all(fd, address, strlen(address));
        if (r == 0 && renameat(dir, ".address", dir, "address") < 0)
                r = -errno;
        return r;
}

static int answer(const struct stub *s, const char *path, const struct bootstrap *asked)
{
        _cleanup_(buf_deinit) struct buf out = BUF_NULL;
        char address[PATH_MAX];
        int r;

        snprintf(address, sizeof(address), "unix://%s", path);
        r = write_address_file(s->bundle, address);
        if (r < 0)
                return stub_fail("cannot write the file address in the bundle: %s", strerrordesc_np(-r));
        bootstrap_answer(asked, address, &out);
        r = out.failed ? -ENOMEM : fd_write_all(STDOUT_FILENO, buf_head(&out), buf_len(&out));
        return r < 0 ? stub_fail("cannot write the answer: %s", strerrordesc_np(-r)) : 0;
}

/* The group that the bundle's annotations name; without any, a container is one by itself. The caller frees it. */
static char *group_of(const struct stub *s)
{
        static const char *const names[] = { "io.containerd.runc.v2.group", "io.kubernetes.cri.sandbox-id" };
        _cleanup_(freep) char *text = NULL;
        char path[PATH_MAX], *group = NULL;
        size_t len;

        snprintf(path, sizeof(path), "%s/config.json", s->bundle);
        if (fd_read_file(AT_FDCWD, path, CONFIG_MAX, &text, &len) == 0)
                for (size_t i = 0; i < ARRAY_SIZE(names) && !group; i++)
                        group = json_text_of(text, len, "annotations", names[i]);
        if (group && group[0] && strlen(group) <= LIMIT_PATH)
                return group;
        free(group);
        return strdup(s->id);
}

/* After an upgrade this program is new at once, and sandboxd only when it was reloaded: until then it gets what every
 * sandboxd knows, and what came later (a group, a cgroup, a score) is done without. */
static int attach_to_older(struct stub *s, const struct owner_attach_params *wanted, struct sandboxd_reply *reply)
{
        const struct owner_attach_params known = {
                .owner = wanted->owner,
                .ns = wanted->ns,
                .id = "",
                .ttrpc_address = wanted->ttrpc_address,
                .grpc_address = wanted->grpc_address,
                .group = "",
                .cgroup = "",
                .oom_score = "",
        };

        sandboxd_reply_clear(reply);
        return sandboxd_call(s->client, METHOD_OWNER_ATTACH, &known, TIMEOUT_MS, reply);
}

static int attach(struct stub *s, struct owner_attach_params *params, struct sandboxd_reply *reply)
{
        const struct owner_attach_result *result;
        _cleanup_(freep) char *group = NULL;
        int r = sandboxd_call(s->client, METHOD_OWNER_ATTACH, params, TIMEOUT_MS, reply);

        if (r < 0 && reply->reason == REASON_INVALID_ARGUMENT)
                return attach_to_older(s, params, reply);
        result = reply->result;
        if (r < 0 || !result->needs_group)
                return r;
        group = group_of(s);
        params->group = group ? group : s->id;
        sandboxd_reply_clear(reply);
        r = sandboxd_call(s->client, METHOD_OWNER_ATTACH, params, TIMEOUT_MS, reply);
        params->group = "";
        return r;
}

static int start(struct stub *s, const struct shim_args *args, const struct bootstrap *asked)
{
        _cleanup_(freep) char *cgroup = bootstrap_cgroup(asked);
        struct sandboxd_reply reply = SANDBOXD_REPLY_NULL;
        char score[PLACE_SCORE_MAX];
        const char *core = getenv("SCHED_CORE");
        struct owner_attach_params params = {
                .owner = s->owner,
                .ns = s->ns,
                .id = s->id,
                .ttrpc_address = ttrpc_address(args, asked),
                .grpc_address = stub_path(args->address),
                .group = "",
                .cgroup = cgroup ? cgroup : "",
                .oom_score = score,
                .sched_core = core && *core,
        };
        const struct owner_attach_result *result;
        int r;

        place_oom_score_of_shims(score);
        if (attach(s, &params, &reply) < 0) {
                r = stub_fail("%s%s", reply.message,
                              reply.reason == REASON_UNAVAILABLE ? ": is sandboxd running?" : "");
        } else {
                result = reply.result;
                r = place((pid_t)result->pid, &params) < 0 ? 1 : answer(s, result->address, asked);
        }
        sandboxd_reply_clear(&reply);
        return r;
}

int stub_start(const struct shim_args *args)
{
        _cleanup_(buf_deinit) struct buf in = BUF_NULL;
        struct bootstrap asked;
        struct stub s;
        int r = stub_read_stdin(&in);

        if (r < 0)
                return stub_fail("cannot read standard input: %s", strerrordesc_np(-r));
        if (stub_init(&s, args) < 0)
                return 1;
        bootstrap_parse(&asked, &in, args);
        sandboxd_client_set_patience(s.client, PATIENCE_MS);
        r = start(&s, args, &asked);
        bootstrap_deinit(&asked);
        stub_deinit(&s);
        return r;
}
