/* SPDX-License-Identifier: Apache-2.0 */

/*
 * `start`: tells sandboxd who calls, and prints where containerd is to connect. Standard output and error together are
 * the answer, so nothing else is written. The container itself is made later, by Create.
 *
 * A plain address is understood by every containerd, and means version 2 of the Task service. containerd 2.3 sends
 * BootstrapParams on standard input instead of the runtime's options, and can be told the version: it gets 3.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/fd.h"
#include "client/shim/place.h"
#include "client/shim/shim.h"
#include "client/shim/stub.h"
#include "proto/proto.h"
#include "proto/shim/bootstrap.pb-c.h"

#define PATIENCE_MS 10000 /* sandboxd may be on its way up */
#define TIMEOUT_MS  20000

/* NULL: it is not that, but options of the runtime, which come again with Create. */
static Shim__BootstrapParams *parse_bootstrap(const struct buf *in, const struct shim_args *args)
{
        Shim__BootstrapParams *p = buf_len(in) ? shim__bootstrap_params__unpack(NULL, buf_len(in), buf_head(in)) : NULL;

        if (p && strcmp(p->instance_id, args->id) == 0 && strcmp(p->namespace_, args->ns) == 0)
                return p;
        shim__bootstrap_params__free_unpacked(p, NULL);
        return NULL;
}

/* In the cgroup that the options name: they are on standard input, or an extension of what is there. 0 or -1. */
static int place(pid_t front, const struct buf *in, const Shim__BootstrapParams *bootstrap)
{
        Shim__Any *any = bootstrap || !buf_len(in) ? NULL : shim__any__unpack(NULL, buf_len(in), buf_head(in));
        _cleanup_(freep) char *cgroup = any ? place_cgroup_of(any) : NULL;
        int r;

        for (size_t i = 0; bootstrap && !cgroup && i < bootstrap->n_extensions; i++)
                if (bootstrap->extensions[i]->value)
                        cgroup = place_cgroup_of(bootstrap->extensions[i]->value);
        shim__any__free_unpacked(any, NULL);
        if (front <= 1)
                return 0;
        place_oom_score(front);
        r = cgroup ? place_in_cgroup(front, cgroup) : 0;
        if (r < 0)
                stub_fail("cannot put the shim into the cgroup %s (ShimCgroup of its options): %s", cgroup,
                          strerrordesc_np(-r));
        return r;
}

/* Where containerd takes events. The memory is static: there is one. */
static const char *ttrpc_address(const struct shim_args *args, const Shim__BootstrapParams *bootstrap)
{
        static char derived[PATH_MAX];
        const char *env = getenv("TTRPC_ADDRESS");

        if (env && *env)
                return stub_path(env);
        if (bootstrap && bootstrap->containerd_ttrpc_address[0])
                return stub_path(bootstrap->containerd_ttrpc_address);
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

static void print_json(const char *address)
{
        fputs("{\"version\":3,\"address\":\"", stdout);
        for (const char *p = address; *p; p++) {
                if (*p == '"' || *p == '\\')
                        fputc('\\', stdout);
                fputc(*p, stdout);
        }
        fputs("\",\"protocol\":\"ttrpc\"}", stdout);
}

static int answer(const struct stub *s, const char *path, bool json)
{
        char address[PATH_MAX];
        int r;

        snprintf(address, sizeof(address), "unix://%s", path);
        r = write_address_file(s->bundle, address);
        if (r < 0)
                return stub_fail("cannot write the file address in the bundle: %s", strerrordesc_np(-r));
        if (json)
                print_json(address);
        else
                fputs(address, stdout);
        return fflush(stdout) == 0 ? 0 : 1;
}

static int attached(const struct stub *s, const struct owner_attach_result *to, const struct buf *in,
                    const Shim__BootstrapParams *bootstrap)
{
        if (place((pid_t)to->pid, in, bootstrap) < 0)
                return 1;
        return answer(s, to->address, bootstrap);
}

int stub_start(const struct shim_args *args)
{
        _cleanup_(buf_deinit) struct buf in = BUF_NULL;
        struct sandboxd_reply reply = SANDBOXD_REPLY_NULL;
        struct owner_attach_params params = { .grpc_address = stub_path(args->address) };
        Shim__BootstrapParams *bootstrap;
        struct stub s;
        int r = stub_read_stdin(&in);

        if (r < 0)
                return stub_fail("cannot read standard input: %s", strerrordesc_np(-r));
        if (stub_init(&s, args) < 0)
                return 1;
        bootstrap = parse_bootstrap(&in, args);
        params.owner = s.owner;
        params.ns = s.ns;
        params.ttrpc_address = ttrpc_address(args, bootstrap);
        sandboxd_client_set_patience(s.client, PATIENCE_MS);
        if (sandboxd_call(s.client, METHOD_OWNER_ATTACH, &params, TIMEOUT_MS, &reply) < 0)
                r = stub_fail("%s%s", reply.message,
                              reply.reason == REASON_UNAVAILABLE ? ": is sandboxd running?" : "");
        else
                r = attached(&s, reply.result, &in, bootstrap);
        sandboxd_reply_clear(&reply);
        shim__bootstrap_params__free_unpacked(bootstrap, NULL);
        stub_deinit(&s);
        return r;
}
