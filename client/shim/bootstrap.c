/* SPDX-License-Identifier: Apache-2.0 */

/* Options look like parameters, as both begin with two texts: parameters are only what names this very container. */

#include "client/shim/bootstrap.h"

#include <stdlib.h>
#include <string.h>
#include "client/shim/json.h"
#include "client/shim/place.h"

#define TASK_VERSION 3
#define PROTOCOL     "ttrpc"

static bool is_ours(const char *id, const char *ns, const struct shim_args *args)
{
        return id && ns && strcmp(id, args->id) == 0 && strcmp(ns, args->ns) == 0;
}

static bool is_json(const struct buf *in, const struct shim_args *args)
{
        _cleanup_(freep) char *id = NULL, *ns = NULL;

        if (buf_len(in) == 0 || buf_head(in)[0] != '{')
                return false;
        id = json_text_of((const char *)buf_head(in), buf_len(in), "", "instance_id");
        ns = json_text_of((const char *)buf_head(in), buf_len(in), "", "namespace");
        return is_ours(id, ns, args);
}

void bootstrap_parse(struct bootstrap *b, const struct buf *in, const struct shim_args *args)
{
        *b = (struct bootstrap){ .form = BOOTSTRAP_PLAIN };
        if (buf_len(in) == 0)
                return;
        if (is_json(in, args)) {
                b->form = BOOTSTRAP_JSON;
                return;
        }
        b->params = shim__bootstrap_params__unpack(NULL, buf_len(in), buf_head(in));
        if (b->params && is_ours(b->params->instance_id, b->params->namespace_, args)) {
                b->form = BOOTSTRAP_PROTOBUF;
                return;
        }
        shim__bootstrap_params__free_unpacked(b->params, NULL);
        b->params = NULL;
        b->options = shim__any__unpack(NULL, buf_len(in), buf_head(in));
}

void bootstrap_deinit(struct bootstrap *b)
{
        shim__bootstrap_params__free_unpacked(b->params, NULL);
        shim__any__free_unpacked(b->options, NULL);
        *b = (struct bootstrap){ .form = BOOTSTRAP_PLAIN };
}

const char *bootstrap_ttrpc_address(const struct bootstrap *b)
{
        return b->params ? b->params->containerd_ttrpc_address : "";
}

char *bootstrap_cgroup(const struct bootstrap *b)
{
        char *ret = b->options ? place_cgroup_of(b->options) : NULL;

        for (size_t i = 0; b->params && !ret && i < b->params->n_extensions; i++)
                if (b->params->extensions[i]->value)
                        ret = place_cgroup_of(b->params->extensions[i]->value);
        return ret;
}

static void text(struct buf *out, const char *s)
{
        buf_append(out, s, strlen(s));
}

static void answer_json(const char *address, struct buf *out)
{
        text(out, "{\"version\":3,\"address\":\"");
        for (const char *p = address; *p; p++) {
                if (*p == '"' || *p == '\\')
                        text(out, "\\");
                buf_append(out, p, 1);
        }
        text(out, "\",\"protocol\":\"" PROTOCOL "\"}");
}

static void answer_protobuf(const char *address, struct buf *out)
{
        Shim__BootstrapResult result = SHIM__BOOTSTRAP_RESULT__INIT;
        uint8_t *room;
        size_t n;

        result.version = TASK_VERSION;
        result.address = (char *)address;
        result.protocol = (char *)PROTOCOL;
        n = shim__bootstrap_result__get_packed_size(&result);
        room = buf_reserve(out, n);
        if (room)
                buf_commit(out, shim__bootstrap_result__pack(&result, room));
}

void bootstrap_answer(const struct bootstrap *b, const char *address, struct buf *out)
{
        if (b->form == BOOTSTRAP_JSON)
                answer_json(address, out);
        else if (b->form == BOOTSTRAP_PROTOBUF)
                answer_protobuf(address, out);
        else
                text(out, address);
}
