/* SPDX-License-Identifier: Apache-2.0 */
/* From options to the parameters of spec. */
#include <stdlib.h>
#include <string.h>
#include "client/ctl/launch.h"
#include "client/ctl/units.h"

const char **launch_values(const struct args *args, const char *name)
{
        const char **values = calloc(args->n_given + 1, sizeof(*values));
        const char *value;
        size_t i = 0, n = 0;

        if (!values)
                abort();
        while ((value = args_next(args, name, &i)))
                values[n++] = value;
        return values;
}

void launch_process(const struct args *args, struct spec_process *ret)
{
        *ret = (struct spec_process){
                .env = launch_values(args, "env"),
                .cwd = args_get(args, "workdir"),
                .user = args_get(args, "user"),
                .cap_add = launch_values(args, "cap-add"),
                .cap_drop = launch_values(args, "cap-drop"),
                .ulimits = launch_values(args, "ulimit"),
                .terminal = args_has(args, "tty"),
                .allow_new_privileges = args_has(args, "allow-new-privileges"),
        };
}

void launch_process_deinit(struct spec_process *p)
{
        free((void *)p->env);
        free((void *)p->cap_add);
        free((void *)p->cap_drop);
        free((void *)p->ulimits);
}

int launch_limits(const struct ctl *ctl, const struct args *args, struct spec_limits *ret)
{
        const char *cpus = args_get(args, "cpus");
        uint64_t shares = 0, pids = 0;

        *ret = (struct spec_limits)SPEC_LIMITS_NULL;
        if (ctl_option_size(ctl, args, "memory", &ret->memory) < 0 ||
            ctl_option_size(ctl, args, "memory-swap", &ret->swap) < 0 ||
            ctl_option_u64(ctl, args, "cpu-shares", 262144, &shares) < 0 ||
            ctl_option_u64(ctl, args, "pids-limit", INT32_MAX, &pids) < 0)
                return -1;
        if (cpus && parse_cpus(cpus, &ret->cpus) < 0) {
                ctl_warn("--cpus %s: wanted is a number of CPUs of at least 0.01, such as 0.5", cpus);
                return -1;
        }
        if (args_has(args, "cpu-shares"))
                ret->cpu_shares = (int64_t)shares;
        if (args_has(args, "pids-limit"))
                ret->pids = (int64_t)pids;
        return 0;
}

char *launch_config(const struct ctl *ctl, const struct args *args, const char *id, const char *rootfs,
                    char *const *argv)
{
        _cleanup_(freep) const char **volumes = launch_values(args, "volume");
        _cleanup_(freep) const char **mounts = launch_values(args, "mount");
        _cleanup_(freep) const char **annotations = launch_values(args, "annotation");
        const char *net = args_get(args, "net");
        struct spec_params params = {
                .rootfs = rootfs,
                .hostname = args_get(args, "hostname"),
                .ns = ctl->ns,
                .id = id,
                .readonly = args_has(args, "read-only"),
                .host_net = net && strcmp(net, "host") == 0,
                .cgroup_mount = args_has(args, "cgroup-mount"),
                .volumes = volumes,
                .mounts = mounts,
                .annotations = annotations,
        };
        _cleanup_(launch_process_deinitp) struct spec_process process = { 0 };
        struct error err = ERROR_NULL;
        char *config;

        if (net && strcmp(net, "host") != 0 && strcmp(net, "none") != 0) {
                ctl_warn("--net %s: wanted is none or host", net);
                return NULL;
        }
        if (launch_limits(ctl, args, &params.limits) < 0)
                return NULL;
        launch_process(args, &process);
        params.process = process;
        params.process.argv = argv && argv[0] ? argv : NULL;
        config = spec_config(&params, &err);
        if (!config)
                ctl_warn("%s", err.message);
        return config;
}
