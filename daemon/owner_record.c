/* SPDX-License-Identifier: Apache-2.0 */

#include "daemon/owner_record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/atomicfile.h"
#include "base/fd.h"
#include "daemon/json.h"
#include "daemon/record_store.h"
#include "proto/desc.h"

#define FILE_MAX (1024 * 1024)

#define KIND_msgs_front_record .kind = FIELD_MSGS, .message = &desc_front_record
MESSAGE_DESC(front_record, "a front")
MESSAGE_DESC(owner_record, "an owner")

struct owner_store {
        int outbox_fd, fronts_fd;
};

int owner_store_open(struct owner_store **ret, const char *root, struct error *err)
{
        _cleanup_(fd_closep) int root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), sockets = -1, outbox = -1,
                                 fronts = -1;
        struct owner_store *s;

        if (root_fd >= 0 && (outbox = record_subdir(root_fd, "outbox", true)) >= 0 &&
            (fronts = record_subdir(root_fd, "fronts", true)) >= 0)
                sockets = record_subdir(root_fd, "front", true);
        if (sockets < 0)
                return error_set_errno(err, reason_of_errno(errno), errno,
                                       "cannot open or make the directories outbox, fronts and front in %s", root);
        s = calloc(1, sizeof(*s));
        if (!s)
                return error_set(err, REASON_NO_RESOURCES, "no memory");
        s->outbox_fd = TAKE_FD(outbox);
        s->fronts_fd = TAKE_FD(fronts);
        *ret = s;
        return 0;
}

struct owner_store *owner_store_free(struct owner_store *s)
{
        if (s) {
                fd_close(s->outbox_fd);
                fd_close(s->fronts_fd);
        }
        free(s);
        return NULL;
}

static int save(int dir, const char *name, const struct message_desc *desc, const void *rec, struct error *err)
{
        _cleanup_(buf_deinit) struct buf text = BUF_NULL;
        int r;

        if (json_encode(desc, rec, &text, err) < 0)
                return -1;
        r = atomicfile_write(dir, name, buf_head(&text), buf_len(&text), 0600);
        return r < 0 ? error_set_errno(err, reason_of_errno(r), r, "cannot write the record %s", name) : 0;
}

static int load(int dir, const char *name, const struct message_desc *desc, struct arena *a, void **ret,
                struct error *err)
{
        _cleanup_(freep) char *text = NULL;
        size_t len;
        int r = fd_read_file(dir, name, FILE_MAX, &text, &len);

        if (r < 0)
                return error_set_errno(err, REASON_CORRUPT, r, "cannot read the record %s", name);
        if (json_decode(desc, text, len, a, ret, err) < 0)
                return error_wrap(err, "the record %s", name);
        return 0;
}

/* Calls one(data, name, rec, err) for each file. */
typedef void (*each_fn)(void *data, const char *name, const void *rec, struct error *err);

static int each(int dir, const struct message_desc *desc, each_fn one, void *data, struct error *err)
{
        char **names;
        size_t n;
        int r = record_names(dir, &names, &n);

        if (r < 0)
                return error_set_errno(err, reason_of_errno(r), r, "cannot list the records of owners");
        for (size_t i = 0; i < n; i++) {
                _cleanup_(arena_freep) struct arena *a = arena_new();
                struct error why = ERROR_NULL;
                void *rec = NULL;

                if (!a)
                        error_set(&why, REASON_NO_RESOURCES, "no memory");
                else if (load(dir, names[i], desc, a, &rec, &why) < 0)
                        rec = NULL;
                one(data, names[i], rec, &why);
        }
        record_names_free(names, n);
        return 0;
}

/* --- owners --- */

int owner_store_save(struct owner_store *s, const struct owner_record *rec, struct error *err)
{
        return save(s->outbox_fd, rec->owner, &desc_owner_record, rec, err);
}

void owner_store_remove(struct owner_store *s, const char *owner)
{
        unlinkat(s->outbox_fd, owner, 0);
}

struct owners_of {
        owner_each_fn fn;
        void *data;
};

static void one_owner(void *data, const char *name, const void *decoded, struct error *err)
{
        const struct owners_of *to = data;
        const struct owner_record *rec = decoded;

        if (rec && (rec->version == 0 || rec->version > OWNER_RECORD_VERSION || strcmp(rec->owner, name) != 0)) {
                error_set(err, REASON_CORRUPT,
                          "outbox/%s: it is of owner \"%s\" and version %u, and not of one up to %d", name, rec->owner,
                          (unsigned)rec->version, OWNER_RECORD_VERSION);
                rec = NULL;
        }
        to->fn(to->data, rec, rec ? NULL : err);
}

int owner_store_each(struct owner_store *s, owner_each_fn fn, void *data, struct error *err)
{
        struct owners_of to = { fn, data };

        return each(s->outbox_fd, &desc_owner_record, one_owner, &to, err);
}

/* --- fronts --- */

int owner_store_save_front(struct owner_store *s, const char *name, const struct front_record *rec, struct error *err)
{
        return save(s->fronts_fd, name, &desc_front_record, rec, err);
}

void owner_store_remove_front(struct owner_store *s, const char *name)
{
        unlinkat(s->fronts_fd, name, 0);
}

struct fronts_of {
        front_each_fn fn;
        void *data;
};

static void one_front(void *data, const char *name, const void *decoded, struct error *err)
{
        const struct fronts_of *to = data;
        const struct front_record *rec = decoded;

        if (rec && rec->version != OWNER_RECORD_VERSION) {
                error_set(err, REASON_CORRUPT, "fronts/%s: it is of version %u, not %d", name, (unsigned)rec->version,
                          OWNER_RECORD_VERSION);
                rec = NULL;
        }
        to->fn(to->data, rec, rec ? NULL : err);
}

int owner_store_each_front(struct owner_store *s, front_each_fn fn, void *data, struct error *err)
{
        struct fronts_of to = { fn, data };

        return each(s->fronts_fd, &desc_front_record, one_front, &to, err);
}
