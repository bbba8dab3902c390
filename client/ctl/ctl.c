/* SPDX-License-Identifier: Apache-2.0 */
#include "client/ctl/ctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "client/ctl/units.h"

#define PATIENCE_RESTART_MS 30000 /* once it has answered, the daemon is expected back */

static void print(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));
static void print(const char *fmt, va_list ap)
{
        fflush(stdout);
        fputs("sandboxctl: ", stderr);
        vfprintf(stderr, fmt, ap);
        fputc('\n', stderr);
}

void ctl_warn(const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        print(fmt, ap);
        va_end(ap);
}

int ctl_fail(const struct ctl *ctl, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        print(fmt, ap);
        va_end(ap);
        return ctl->failure;
}

int ctl_usage(const struct ctl *ctl, const struct verb *verb, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        print(fmt, ap);
        va_end(ap);
        if (verb)
                fprintf(stderr, "Usage: sandboxctl %s %s%s\nSee 'sandboxctl %s --help'.\n", verb->name,
                        verb->options ? "[OPTIONS] " : "", verb->synopsis, verb->name);
        return ctl->failure;
}

/* What an operator can do about it. */
static const char *advice(int reason)
{
        switch (reason) {
        case REASON_UNAVAILABLE:
                return "is sandboxd running? 'systemctl start sandboxd' starts it, 'sandboxd --root DIR --socket PATH' "
                       "a private one "
                       "(then name its socket by --socket or SANDBOXD_SOCKET)";
        case REASON_PERMISSION:
                return "root may do everything, members of the group sandboxd may look";
        case REASON_NOT_FOUND:
                return "'sandboxctl list' shows the containers, 'sandboxctl list -A' those of every owner and "
                       "namespace";
        case REASON_PROCESS_NOT_FOUND:
                return "'sandboxctl state ID' shows the container's processes";
        case REASON_UNKNOWN_RUNTIME:
                return "'sandboxctl info' shows the configured runtimes";
        case REASON_STILL_RUNNING:
                return "'sandboxctl kill' ends it, 'sandboxctl delete --force' kills it first";
        case REASON_PAUSED:
                return "'sandboxctl resume' lets it go on";
        case REASON_ALREADY_EXISTS:
                return "take another id, or remove that one by 'sandboxctl delete'";
        case REASON_DEADLINE:
                return "'sandboxctl state' tells what became of it; --timeout waits for longer";
        case REASON_IN_DOUBT:
                return "'sandboxctl state' tells what became of it";
        default:
                return NULL;
        }
}

int ctl_fail_reply(const struct ctl *ctl, const char *what, const struct sandboxd_reply *reply)
{
        const char *hint = advice(reply->reason);

        ctl_warn("%s%s%s", what ? what : "", what ? ": " : "", reply->message);
        if (hint)
                fprintf(stderr, "            (%s)\n", hint);
        return ctl->failure;
}

int ctl_call_timeout(struct ctl *ctl, int method, const void *params, const char *what, int timeout_ms,
                     struct sandboxd_reply *reply)
{
        int r = sandboxd_call(ctl->client, method, params, timeout_ms, reply);

        if (reply->reason != REASON_UNAVAILABLE && !ctl->connected) {
                ctl->connected = true;
                sandboxd_client_set_patience(ctl->client, PATIENCE_RESTART_MS);
        }
        if (r < 0)
                ctl_fail_reply(ctl, what, reply);
        return r;
}

int ctl_call(struct ctl *ctl, int method, const void *params, const char *what, struct sandboxd_reply *reply)
{
        return ctl_call_timeout(ctl, method, params, what, ctl->timeout_ms, reply);
}

int ctl_do(struct ctl *ctl, int method, const void *params, const char *what)
{
        struct sandboxd_reply reply = SANDBOXD_REPLY_NULL;
        int r = ctl_call(ctl, method, params, what, &reply);

        sandboxd_reply_clear(&reply);
        return r < 0 ? ctl->failure : 0;
}

static int pick(const struct ctl *ctl, const char *given, const struct list_result *found, char ret[LIMIT_ID + 1])
{
        for (size_t i = 0; i < found->containers.n; i++) {
                if (strcmp(found->containers.items[i].id, given) == 0) {
                        strcpy(ret, given);
                        return 0;
                }
        }
        if (found->containers.n > 1) {
                ctl_warn("%s: %zu containers begin so:", given, found->containers.n);
                for (size_t i = 0; i < found->containers.n && i < 10; i++)
                        fprintf(stderr, "            %s\n", found->containers.items[i].id);
                return -1;
        }
        /* The only one, or what was given: the call itself then says that there is no such container. */
        snprintf(ret, LIMIT_ID + 1, "%s", found->containers.n == 1 ? found->containers.items[0].id : given);
        return 0;
}

int ctl_resolve(struct ctl *ctl, const char *given, char ret[LIMIT_ID + 1])
{
        struct list_params params = { .owner = ctl->owner, .ns = ctl->ns, .id_prefix = given };
        struct sandboxd_reply reply = SANDBOXD_REPLY_NULL;
        struct error err = ERROR_NULL;
        int r;

        if (id_check(given, "container id", &err) < 0 && strlen(given) > LIMIT_ID) {
                ctl_warn("%s", err.message);
                return -1;
        }
        r = ctl_call(ctl, METHOD_LIST, &params, given, &reply);
        if (r == 0)
                r = pick(ctl, given, reply.result, ret);
        sandboxd_reply_clear(&reply);
        return r;
}

int ctl_each_id(struct ctl *ctl, const struct args *args,
                int (*fn)(struct ctl *ctl, const struct args *args, const char *id))
{
        int status = 0;

        for (int i = 0; i < args->n_words; i++) {
                char id[LIMIT_ID + 1];
                int r = ctl_resolve(ctl, args->words[i], id) < 0 ? ctl->failure : fn(ctl, args, id);

                if (r != 0)
                        status = r;
        }
        return status;
}

static int option_error(const struct ctl *ctl, const char *name, const char *value, int r, const char *wanted)
{
        ctl_warn("--%s %s: %s; wanted is %s", name, value, r == -ERANGE ? "out of range" : "not a value", wanted);
        return -1;
}

int ctl_option_size(const struct ctl *ctl, const struct args *args, const char *name, int64_t *ret)
{
        const char *value = args_get(args, name);
        int r = value ? parse_size(value, ret) : 0;

        return r < 0 ? option_error(ctl, name, value, r, "a size such as 512k, 16M or 1.5G") : 0;
}

int ctl_option_u64(const struct ctl *ctl, const struct args *args, const char *name, uint64_t max, uint64_t *ret)
{
        const char *value = args_get(args, name);
        int r = value ? parse_u64(value, max, ret) : 0;

        return r < 0 ? option_error(ctl, name, value, r, "a whole number") : 0;
}

int ctl_option_duration(const struct ctl *ctl, const struct args *args, const char *name, int *ret_ms)
{
        const char *value = args_get(args, name);
        int r = value ? parse_duration(value, ret_ms) : 0;

        return r < 0 ? option_error(ctl, name, value, r, "a time such as 500ms, 10s or 2m") : 0;
}

void ctl_print_json(const struct message_desc *desc, const void *msg)
{
        out_message(stdout, desc, msg, 0);
        putchar('\n');
}

int ctl_print_table(const struct ctl *ctl, struct table *t)
{
        int r = t ? table_print(t, stdout) : -ENOMEM;

        table_free(t);
        return r < 0 ? ctl_fail(ctl, "out of memory") : 0;
}

char *ctl_realpath(const struct ctl *ctl, const char *path)
{
        char *real = realpath(path, NULL);

        if (!real)
                ctl_warn("%s: %s", path, strerror(errno));
        return real;
}

void ctl_random_id(char ret[13])
{
        uint8_t random[6];

        if (getrandom(random, sizeof(random), 0) != sizeof(random))
                abort(); /* cannot happen: getrandom(2) */
        for (size_t i = 0; i < sizeof(random); i++)
                snprintf(ret + 2 * i, 3, "%02x", random[i]);
}
