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

#define FILE_MAX (64 * 1024)

#define KIND_msgs_front_record .kind = FIELD_MSGS, .message = &desc_front_record
MESSAGE_DESC(front_record, "a front")
MESSAGE_DESC(owner_record, "an owner")

struct owner_store {
        int dir_fd;
};

int owner_store_open(struct owner_store **ret, const char *root, struct error *err)
{
        _cleanup_(fd_closep) int root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), front_fd = -1, fd = -1;
        struct owner_store *s;

        if (root_fd >= 0 && (fd = record_subdir(root_fd, "outbox", true)) >= 0)
                front_fd = record_subdir(root_fd, "front", true);
        if (front_fd < 0)
                return error_set_errno(err, reason_of_errno(errno), errno,
                                       "cannot open or make the directories outbox and front in %s", root);
        s = calloc(1, sizeof(*s));
        if (!s)
                return error_set(err, REASON_NO_RESOURCES, "no memory");
        s->dir_fd = TAKE_FD(fd);
        *ret = s;
        return 0;
}

struct owner_store *owner_store_free(struct owner_store *s)
{
        if (s)
                fd_close(s->dir_fd);
        free(s);
        return NULL;
}

int owner_store_save(struct owner_store *s, const struct owner_record *rec, struct error *err)
{
        _cleanup_(buf_deinit) struct buf text = BUF_NULL;
        int r;

        if (json_encode(&desc_owner_record, rec, &text, err) < 0)
                return -1;
        r = atomicfile_write(s->dir_fd, rec->owner, buf_head(&text), buf_len(&text), 0600);
        return r < 0 ? error_set_errno(err, reason_of_errno(r), r, "cannot write outbox/%s", rec->owner) : 0;
}

void owner_store_remove(struct owner_store *s, const char *owner)
{
        unlinkat(s->dir_fd, owner, 0);
}

static int load(struct owner_store *s, const char *name, struct arena *a, struct owner_record **ret, struct error *err)
{
        _cleanup_(freep) char *text = NULL;
        size_t len;
        void *rec;
        int r = fd_read_file(s->dir_fd, name, FILE_MAX, &text, &len);

        if (r < 0)
                return error_set_errno(err, REASON_CORRUPT, r, "cannot read outbox/%s", name);
        if (json_decode(&desc_owner_record, text, len, a, &rec, err) < 0)
                return error_wrap(err, "outbox/%s", name);
        *ret = rec;
        if ((*ret)->version != OWNER_RECORD_VERSION || strcmp((*ret)->owner, name) != 0)
                return error_set(err, REASON_CORRUPT,
                                 "outbox/%s: it is of owner \"%s\" and version %u, and not of version %d", name,
                                 (*ret)->owner, (unsigned)(*ret)->version, OWNER_RECORD_VERSION);
        return 0;
}

int owner_store_each(struct owner_store *s, owner_each_fn fn, void *data, struct error *err)
{
        char **names;
        size_t n;
        int r = record_names(s->dir_fd, &names, &n);

        if (r < 0)
                return error_set_errno(err, reason_of_errno(r), r, "cannot list the directory outbox");
        for (size_t i = 0; i < n; i++) {
                _cleanup_(arena_freep) struct arena *a = arena_new();
                struct owner_record *rec = NULL;
                struct error why = ERROR_NULL;

                if (!a || load(s, names[i], a, &rec, &why) < 0)
                        fn(data, NULL, a ? &why : &(struct error){ REASON_NO_RESOURCES, "no memory" });
                else
                        fn(data, rec, NULL);
        }
        record_names_free(names, n);
        return 0;
}
