/* SPDX-License-Identifier: Apache-2.0 */

/* See spec_gvisor.h. Done twice, it changes nothing the second time: a create may be repeated. */

#include "daemon/spec_gvisor.h"

#include <ctype.h>
#include <string.h>
#include "base/buf.h"
#include "daemon/spec_json.h"

#define HINT "dev.gvisor.spec.mount."
#define TYPE ".type"
#define SHM_HINT HINT "gvisorinternaldevshm."
#define CGROUP_PARENT "dev.gvisor.spec.cgroup-parent"
#define HOST_UDS "dev.gvisor.flag.host-uds"

/*
 * Numbers that a C program cannot hold exactly (RLIM_INFINITY is 2^64 - 1) must come out as they went in. So those that
 * are not short integers are strings meanwhile, with a mark that nobody writes.
 */
#define MARK "\\u0001#"

static size_t string_length(const char *text, size_t n)
{
        size_t len = 1;

        while (len < n && text[len] != '"')
                len += text[len] == '\\' ? 2 : 1;
        return len < n ? len + 1 : n;
}

/* 0: no number begins there. */
static size_t number_length(const char *text, size_t n, bool *plain)
{
        size_t len = 0;

        *plain = true;
        if (!isdigit((unsigned char)text[0]) && text[0] != '-')
                return 0;
        for (; len < n && text[len] && strchr("+-.0123456789eE", text[len]); len++)
                *plain &= isdigit((unsigned char)text[len]) || text[len] == '-';
        *plain &= len <= 15;
        return len;
}

static void hide_numbers(const char *text, size_t n, struct buf *out)
{
        for (size_t i = 0, len; i < n && !out->failed; i += len) {
                bool plain = true;

                len = text[i] == '"' ? string_length(text + i, n - i) : number_length(text + i, n - i, &plain);
                if (len == 0)
                        len = 1;
                if (plain)
                        buf_append(out, text + i, len);
                else
                        buf_printf(out, "\"" MARK "%.*s\"", (int)len, text + i);
        }
}

static void show_numbers(const char *text, struct buf *out)
{
        const char *at;

        while ((at = strstr(text, "\"" MARK))) {
                size_t len = strspn(at + 1 + strlen(MARK), "+-.0123456789eE");

                buf_append(out, text, (size_t)(at - text));
                if (len > 0 && at[1 + strlen(MARK) + len] == '"') {
                        buf_append(out, at + 1 + strlen(MARK), len);
                        text = at + 1 + strlen(MARK) + len + 1;
                } else {
                        buf_append(out, at, 1);
                        text = at + 1;
                }
        }
        buf_append(out, text, strlen(text) + 1);
}

struct document {
        struct arena *arena;
        json_t *root;        /* owned */
        json_t *annotations; /* NULL: none */
        json_t *mounts;      /* NULL: none */
        bool is_sandbox;
        const char *pod;     /* the pod's uid; NULL: not known */
};

static const char *annotation(const struct document *d, const char *key)
{
        return json_string_value(json_object_get(d->annotations, key));
}

static void annotate(struct document *d, const char *key, const char *value)
{
        if (!d->annotations) {
                d->annotations = json_object();
                json_object_set_new(d->root, "annotations", d->annotations);
        }
        json_object_set_new(d->annotations, key, json_string(value));
}

/* The log directory of a sandbox is UID or NAMESPACE_NAME_UID. */
static const char *pod_uid(const struct document *d)
{
        const char *dir = annotation(d, "io.kubernetes.cri.sandbox-log-directory"), *uid;
        size_t n = 0;

        if (!dir)
                return NULL;
        uid = strrchr(dir, '/');
        uid = uid ? uid + 1 : dir;
        for (const char *p = uid; *p; p++)
                n += *p == '_';
        if (n == 2)
                uid = strrchr(uid, '_') + 1;
        return (n == 0 || n == 2) && *uid && *uid != '.' ? uid : NULL;
}

static int document_load(struct document *d, const char *text, size_t len, struct arena *a, struct error *err)
{
        _cleanup_(buf_deinit) struct buf plain = BUF_NULL;
        const char *type;

        *d = (struct document){ .arena = a };
        hide_numbers(text, len, &plain);
        if (plain.failed)
                return spec_no_memory(err);
        d->root = spec_load((const char *)buf_head(&plain), buf_len(&plain), REASON_INVALID_SPEC, "config.json", err);
        if (!d->root)
                return -1;
        if (json_is_object(json_object_get(d->root, "annotations")))
                d->annotations = json_object_get(d->root, "annotations");
        if (json_is_array(json_object_get(d->root, "mounts")))
                d->mounts = json_object_get(d->root, "mounts");
        type = annotation(d, "io.kubernetes.cri.container-type");
        d->is_sandbox = !type || !*type || strcmp(type, "sandbox") == 0;
        d->pod = pod_uid(d);
        return 0;
}

static void document_deinit(struct document *d)
{
        json_decref(d->root);
}

/* --- the volumes that annotations name --- */

/* NAME of dev.gvisor.spec.mount.NAME.type; NULL: the key is another one. */
static const char *volume_of(const char *key, struct arena *a)
{
        const char *name = key + strlen(HINT), *dot;

        if (strncmp(key, HINT, strlen(HINT)) != 0)
                return NULL;
        dot = strchr(name, '.');
        if (!dot || dot == name || strcmp(dot, TYPE) != 0 || strncmp(key, SHM_HINT, strlen(SHM_HINT)) == 0)
                return NULL;
        return arena_strndup(a, name, (size_t)(dot - name));
}

/* The mount's source is PODS/POD/volumes/PLUGIN/NAME: what comes after PODS. */
static const char *below_pods(const char *source, const char *name)
{
        const char *rest, *part;

        if (strncmp(source, SPEC_GVISOR_PODS "/", strlen(SPEC_GVISOR_PODS) + 1) != 0)
                return NULL;
        rest = source + strlen(SPEC_GVISOR_PODS) + 1;
        part = strchr(rest, '/');
        if (!part || part == rest || strncmp(part, "/volumes/", 9) != 0)
                return NULL;
        part = strchr(part + 9, '/');
        return part && strcmp(part + 1, name) == 0 ? rest : NULL;
}

static const char *quoted(const char *path, struct arena *a)
{
        char *copy = arena_alloc(a, 2 * strlen(path) + 1), *to = copy;

        for (; copy && *path; path++) {
                if (strchr("*?[\\", *path))
                        *to++ = '\\';
                *to++ = *path;
        }
        if (copy)
                *to = '\0';
        return copy;
}

struct visit {
        struct document *document;
        struct strs *questions;                   /* NULL: they were answered */
        const struct spec_gvisor_volume *volumes; /* the next answer */
        bool changed;
};

static int ask(struct visit *v, const char *pattern, struct error *err)
{
        if (!pattern)
                return spec_no_memory(err);
        if (v->questions->n == LIMIT_LIST)
                return error_set(err, REASON_INVALID_SPEC, "more than %d volumes", LIMIT_LIST);
        v->questions->items[v->questions->n++] = pattern;
        return 0;
}

/* As Go's strconv.ParseBool. */
static bool is_forced(const struct document *d, const char *name)
{
        static const char *const words[] = { "1", "t", "T", "true", "TRUE", "True" };
        const char *key = arena_printf(d->arena, "dev.gvisor.empty-dir.%s.force-shared", name);
        const char *value = key ? annotation(d, key) : NULL;

        for (size_t i = 0; value && i < ARRAY_SIZE(words); i++)
                if (strcmp(value, words[i]) == 0)
                        return true;
        return false;
}

static bool is_empty_dir(const char *path)
{
        return strstr(path, "kubernetes.io~empty-dir") != NULL;
}

/* The sidecar of GKE passes descriptors over a socket in its volume. */
static void allow_sockets(struct document *d, const char *name)
{
        if (strcmp(name, "gke-gcsfuse-tmp") == 0 && !annotation(d, HOST_UDS))
                annotate(d, HOST_UDS, "open");
}

static void hint(struct document *d, const char *name, const char *field, const char *value)
{
        const char *key = arena_printf(d->arena, HINT "%s.%s", name, field);

        if (key)
                annotate(d, key, value);
}

static int sandbox_volume(struct visit *v, const char *name, struct error *err)
{
        struct document *d = v->document;
        const struct spec_gvisor_volume *found;

        if (v->questions) {
                const char *pod = quoted(d->pod, d->arena), *plain = quoted(name, d->arena);

                return ask(v, pod && plain ? arena_printf(d->arena, "%s/volumes/*/%s", pod, plain) : NULL, err);
        }
        found = v->volumes++;
        if (found->n != 1)
                return error_set(err, REASON_INVALID_SPEC,
                                 "annotation " HINT "%s" TYPE ": %zu volumes of that name in " SPEC_GVISOR_PODS
                                 "/%s/volumes, wanted one",
                                 name, found->n, d->pod);
        hint(d, name, "source", found->path);
        if (is_empty_dir(found->path) && found->empty && !is_forced(d, name)) {
                hint(d, name, "type", "tmpfs");
        } else if (is_empty_dir(found->path)) { /* what is in it is on the host, and must be seen */
                hint(d, name, "type", "bind");
                hint(d, name, "share", "shared");
                allow_sockets(d, name);
        }
        v->changed = true;
        return 0;
}

/* What is no bind mount has no option that says that it is one. */
static void change_type(struct visit *v, json_t *mount, const char *type)
{
        json_t *options = json_object_get(mount, "options");

        json_object_set_new(mount, "type", json_string(type));
        for (size_t i = json_array_size(options); i > 0 && strcmp(type, "bind") != 0; i--) {
                const char *option = json_string_value(json_array_get(options, i - 1));

                if (option && (strcmp(option, "bind") == 0 || strcmp(option, "rbind") == 0))
                        json_array_remove(options, i - 1);
        }
        v->changed = true;
}

static int container_volume(struct visit *v, const char *name, const char *type, struct error *err)
{
        struct document *d = v->document;
        json_t *mount;
        size_t i;

        json_array_foreach(d->mounts, i, mount)
        {
                const char *source = json_string_value(json_object_get(mount, "source"));
                const char *rest = source ? below_pods(source, name) : NULL;
                const struct spec_gvisor_volume *found;

                if (!rest)
                        continue;
                if (v->questions) {
                        if (ask(v, quoted(rest, d->arena), err) < 0)
                                return -1;
                        continue;
                }
                found = v->volumes++;
                if (is_empty_dir(source) && (is_forced(d, name) || (found->n > 0 && !found->empty)))
                        allow_sockets(d, name);
                else
                        change_type(v, mount, type);
        }
        return 0;
}

/* Annotations are added while the keys are visited: so they are listed first. */
static int visit_volumes(struct visit *v, struct error *err)
{
        struct document *d = v->document;
        size_t n = json_object_size(d->annotations), n_names = 0;
        const char **names = arena_alloc(d->arena, (2 * n + 1) * sizeof(*names)), *key;
        json_t *value;

        if (!names)
                return spec_no_memory(err);
        json_object_foreach(d->annotations, key, value)
        {
                const char *name = volume_of(key, d->arena);

                if (!name || !json_is_string(value))
                        continue;
                names[n_names++] = name;
                names[n_names++] = arena_strdup(d->arena, json_string_value(value));
        }
        for (size_t i = 0; i < n_names; i += 2) {
                if (d->is_sandbox && d->pod && sandbox_volume(v, names[i], err) < 0)
                        return -1;
                if (!d->is_sandbox && container_volume(v, names[i], names[i + 1], err) < 0)
                        return -1;
        }
        return 0;
}

/* --- /dev/shm --- */

static bool is_shm(const json_t *mount, const char *type)
{
        const char *destination = json_string_value(json_object_get(mount, "destination"));
        const char *is = json_string_value(json_object_get(mount, "type"));

        return destination && is && strcmp(destination, "/dev/shm") == 0 && strcmp(is, type) == 0;
}

static void make_shm(struct visit *v)
{
        struct document *d = v->document;
        json_t *shm = NULL, *mount;
        const char *source;
        size_t i;

        json_array_foreach(d->mounts, i, mount)
                if (!shm && is_shm(mount, "bind"))
                        shm = mount;
        source = json_string_value(json_object_get(shm, "source"));
        if (!shm || !source)
                return;
        if (d->is_sandbox) {
                annotate(d, SHM_HINT "source", source);
                annotate(d, SHM_HINT "type", "tmpfs");
                annotate(d, SHM_HINT "share", "pod");
                annotate(d, SHM_HINT "options", "rw");
        }
        json_array_foreach(d->mounts, i, mount) /* the default one */
        {
                if (!is_shm(mount, "tmpfs"))
                        continue;
                json_array_remove(d->mounts, i);
                break;
        }
        change_type(v, shm, "tmpfs");
}

/* --- the cgroup --- */

/* kubelet's cgroup of a pod is podUID. gVisor's own shim takes it wherever it is in the path; here it is only taken
 * when it is the next one above: the limits of those between would be lost. */
static void move_cgroup(struct visit *v)
{
        struct document *d = v->document;
        const char *path = json_string_value(json_object_get(json_object_get(d->root, "linux"), "cgroupsPath"));
        const char *end = path ? strrchr(path, '/') : NULL, *part = end;

        while (part && part > path && part[-1] != '/')
                part--;
        if (!part || end - part < 4 || strncmp(part, "pod", 3) != 0 || !end[1] || annotation(d, CGROUP_PARENT))
                return;
        path = arena_strndup(d->arena, path, (size_t)(end - path));
        if (path)
                annotate(d, CGROUP_PARENT, path);
        v->changed = true;
}

/* --- all of it --- */

int spec_gvisor_questions(const char *text, size_t len, struct arena *a, struct strs *ret, struct error *err)
{
        struct visit v = { .questions = ret };
        struct document d;
        size_t most;
        int r;

        *ret = (struct strs){ 0 };
        if (document_load(&d, text, len, a, err) < 0)
                return -1;
        v.document = &d;
        most = json_object_size(d.annotations) * (json_array_size(d.mounts) + 1);
        if (most > LIMIT_LIST)
                most = LIMIT_LIST;
        ret->items = arena_alloc(a, (most + 1) * sizeof(*ret->items));
        r = ret->items ? visit_volumes(&v, err) : spec_no_memory(err);
        document_deinit(&d);
        return r;
}

int spec_gvisor_rewrite(const char *text, size_t len, const struct spec_gvisor_volume *volumes, struct arena *a,
                        const char **ret, struct error *err)
{
        _cleanup_(buf_deinit) struct buf shown = BUF_NULL;
        struct visit v = { .volumes = volumes };
        _cleanup_(freep) char *out = NULL;
        struct document d;
        int r;

        *ret = NULL;
        if (document_load(&d, text, len, a, err) < 0)
                return -1;
        v.document = &d;
        r = visit_volumes(&v, err);
        if (r == 0)
                make_shm(&v);
        if (r == 0 && d.is_sandbox)
                move_cgroup(&v);
        if (r == 0 && v.changed) {
                out = json_dumps(d.root, JSON_COMPACT);
                if (out)
                        show_numbers(out, &shown);
                *ret = out && !shown.failed ? arena_strdup(a, (const char *)buf_head(&shown)) : NULL;
                r = *ret ? 0 : spec_no_memory(err);
        }
        document_deinit(&d);
        return r;
}
