/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The state directory. Everything is opened below a directory that is open already, never through a symbolic link, so
 * that nothing planted in the tree leads out of it; names are ids (id_check), so none is "..".
 *
 * The lock is an fcntl(2) record lock on ROOT/lock. Unlike flock(2) and open file description locks it is not shared
 * with forked children, so a child that hangs before its exec (opening a client's path) cannot keep the next daemon
 * out. meta.json is removed last: a container whose removal was cut short is found again, and removed again.
 */

#include "daemon/record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/atomicfile.h"
#include "base/crash.h"
#include "base/fd.h"
#include "base/log.h"
#include "daemon/record_store.h"
#include "proto/desc.h"

#define META     "meta.json"
#define NO_OWNER "_"              /* not an id, so no owner has this directory's name */

#define KIND_msg_create_params   .kind = FIELD_MSG, .message = &desc_create_params
#define KIND_msg_record_process  .kind = FIELD_MSG, .message = &desc_record_process
#define KIND_msgs_record_process .kind = FIELD_MSGS, .message = &desc_record_process
#define KIND_msgs_record_command .kind = FIELD_MSGS, .message = &desc_record_command
#define KIND_msgs_record_answer  .kind = FIELD_MSGS, .message = &desc_record_answer
#define KIND_msgs_record_request .kind = FIELD_MSGS, .message = &desc_record_request
RECORD_MESSAGES(MESSAGE_DESC)

/* What every version of a record has, and will have. */
#define FIELDS_record_head(F) F(u32, version, 0, REQUIRED, "RECORD_VERSION of the writer")
MESSAGE_C(record_head, "the beginning of a record")
MESSAGE_DESC_DECL(record_head, "")
MESSAGE_DESC(record_head, "the beginning of a record")

/* --- directories --- */
int record_subdir(int dirfd, const char *name, bool create)
{
        int fd;

        if (create && mkdirat(dirfd, name, 0700) < 0 && errno != EEXIST)
                return -errno;
        fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

void record_names_free(char **names, size_t n)
{
        for (size_t i = 0; i < n; i++)
                free(names[i]);
        free(names);
}

static int append_name(char ***names, size_t *n, size_t *room, const char *name)
{
        if (*n == *room) {
                size_t more = *room ? *room * 2 : 16;
                char **p = reallocarray(*names, more, sizeof(*p));

                if (!p)
                        return -ENOMEM;
                *names = p;
                *room = more;
        }
        (*names)[*n] = strdup(name);
        if (!(*names)[*n])
                return -ENOMEM;
        (*n)++;
        return 0;
}

/* hidden: also those that begin with a dot. */
static int names_of(int dirfd, bool hidden, char ***ret, size_t *ret_n)
{
        char **names = NULL;
        size_t n = 0, room = 0;
        int fd, r = 0;
        DIR *dir;

        fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* an offset of its own; closedir closes it */
        if (fd < 0)
                return -errno;
        dir = fdopendir(fd);
        if (!dir) {
                r = -errno;
                fd_close(fd);
                return r;
        }
        errno = 0;
        for (struct dirent *e = readdir(dir); e && r == 0; e = readdir(dir)) {
                if (e->d_name[0] != '.' || (hidden && strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0))
                        r = append_name(&names, &n, &room, e->d_name);
                errno = 0;
        }
        if (r == 0)
                r = -errno;
        closedir(dir);
        if (r < 0) {
                record_names_free(names, n);
                return r;
        }
        *ret = names;
        *ret_n = n;
        return 0;
}

int record_names(int dirfd, char ***ret, size_t *ret_n)
{
        return names_of(dirfd, false, ret, ret_n);
}

/* --- the store --- */
static int store_subdir(struct record_store *s, const char *name, struct error *err)
{
        int fd = record_subdir(s->root_fd, name, true);

        if (fd < 0)
                error_set_errno(err, reason_of_errno(fd), fd, "cannot open or make the directory %s/%s", s->root, name);
        return fd;
}

static int open_root(struct record_store *s, const char *root, struct error *err)
{
        struct stat st;

        if (mkdir(root, 0711) < 0 && errno != EEXIST)
                return error_set_errno(err, reason_of_errno(errno), errno, "cannot make the state directory %s", root);
        s->root = realpath(root, NULL);
        if (s->root)
                s->root_fd = open(s->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (s->root_fd < 0 || fstat(s->root_fd, &st) < 0)
                return error_set_errno(err, reason_of_errno(errno), errno, "cannot open the state directory %s", root);
        if (st.st_uid != geteuid())
                return error_set(err, REASON_PERMISSION,
                                 "the state directory %s belongs to uid %u, and must belong to the daemon's uid %u: "
                                 "choose another one, or change its owner",
                                 s->root, (unsigned)st.st_uid, (unsigned)geteuid());
        if ((st.st_mode & 07777) != 0711 && fchmod(s->root_fd, 0711) < 0)
                return error_set_errno(err, reason_of_errno(errno), errno, "cannot change the mode of %s to 0711",
                                       s->root);
        return 0;
}

static int lock_held(struct record_store *s, const struct flock *lock, struct error *err)
{
        struct flock holder = *lock;
        char text[32] = "";
        long pid = 0;

        if (fcntl(s->lock_fd, F_GETLK, &holder) == 0 && holder.l_type != F_UNLCK)
                pid = holder.l_pid;
        if (pid <= 0 && fd_read_small(s->lock_fd, NULL, text, sizeof(text)) > 0) /* of another pid namespace */
                pid = strtol(text, NULL, 10);
        return error_set(
                err, REASON_ALREADY_EXISTS,
                "another process, pid %ld, has the state directory %s (it holds %s/lock): stop it first, or use "
                "another directory with --root",
                pid, s->root, s->root);
}

static int take_lock(struct record_store *s, struct error *err)
{
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        char text[32];
        int n;

        s->lock_fd = openat(s->root_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
        if (s->lock_fd < 0)
                return error_set_errno(err, reason_of_errno(errno), errno, "cannot open the lock file %s/lock",
                                       s->root);
        if (fcntl(s->lock_fd, F_SETLK, &lock) < 0) {
                if (errno == EACCES || errno == EAGAIN)
                        return lock_held(s, &lock, err);
                return error_set_errno(err, reason_of_errno(errno), errno, "cannot lock %s/lock", s->root);
        }
        /* for people; on a full disk the lock alone must do */
        n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
        if (ftruncate(s->lock_fd, 0) < 0 || pwrite(s->lock_fd, text, (size_t)n, 0) != n)
                log_warn("cannot write the pid to %s/lock", s->root);
        return 0;
}

int record_store_open(struct record_store **ret, const char *root, struct error *err)
{
        _cleanup_(record_store_freep) struct record_store *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return error_set(err, REASON_NO_RESOURCES, "no memory");
        s->root_fd = s->state_fd = s->tombstones_fd = s->lock_fd = -1;
        if (open_root(s, root, err) < 0 || take_lock(s, err) < 0)
                return -1;
        s->state_fd = store_subdir(s, "state", err);
        if (s->state_fd < 0)
                return -1;
        s->tombstones_fd = store_subdir(s, "tombstones", err);
        if (s->tombstones_fd < 0)
                return -1;
        r = record_tombstones_open(s);
        if (r < 0)
                return error_set_errno(err, reason_of_errno(r), r, "cannot read the directory %s/tombstones", s->root);
        *ret = TAKE(s);
        return 0;
}

struct record_store *record_store_free(struct record_store *s)
{
        if (!s)
                return NULL;
        s->tombstones_fd = fd_close(s->tombstones_fd);
        s->state_fd = fd_close(s->state_fd);
        s->root_fd = fd_close(s->root_fd);
        s->lock_fd = fd_close(s->lock_fd); /* last: then the next daemon may begin */
        free(s->root);
        free(s);
        return NULL;
}

const char *record_store_root(const struct record_store *s)
{
        return s->root;
}

/* --- the directory of a container --- */
static const char *owner_dir(const char *owner)
{
        return *owner ? owner : NO_OWNER;
}

static int check_names(const char *owner, const char *ns, const char *id, struct error *err)
{
        if (*owner && id_check(owner, "owner", err) < 0)
                return -1;
        return id_check(ns, "namespace", err) < 0 || id_check(id, "container id", err) < 0 ? -1 : 0;
}

/* Opens the parent (state/OWNER/NS) and the directory itself. *ret_parent may be open after a failure too. */
static int open_dirs(struct record_store *s, const char *owner, const char *ns, const char *id, bool create,
                     int *ret_parent)
{
        _cleanup_(fd_closep) int owner_fd = record_subdir(s->state_fd, owner_dir(owner), create);

        if (owner_fd < 0)
                return owner_fd;
        *ret_parent = record_subdir(owner_fd, ns, create);
        return *ret_parent < 0 ? *ret_parent : record_subdir(*ret_parent, id, create);
}

/* Not through a link, and not at a file: ELOOP and ENOTDIR of openat. */
static int dir_error(struct record_store *s, int r, const char *owner, const char *ns, const char *id,
                     struct error *err)
{
        if (r == -ENOENT)
                return error_set(err, REASON_NOT_FOUND, "there is no directory %s/state/%s/%s/%s", s->root,
                                 owner_dir(owner), ns, id);
        if (r == -ELOOP || r == -ENOTDIR)
                return error_set(err, REASON_CORRUPT,
                                 "%s/state/%s/%s/%s, or a directory on the way to it, is a symbolic link or a file, "
                                 "which sandboxd did not make: remove it",
                                 s->root, owner_dir(owner), ns, id);
        return error_set_errno(err, reason_of_errno(r), r, "cannot open or make the directory %s/state/%s/%s/%s",
                               s->root, owner_dir(owner), ns, id);
}

static int check_version(const char *text, size_t len, struct error *err)
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        void *head;

        if (!a)
                return error_set(err, REASON_NO_RESOURCES, "no memory");
        if (json_decode(&desc_record_head, text, len, a, &head, err) < 0)
                return -1;
        if (((struct record_head *)head)->version > RECORD_VERSION)
                return error_set(
                        err, REASON_NOT_SUPPORTED,
                        "written by a newer sandboxd (version %u of the record, this sandboxd knows up to %d): "
                        "start the newer sandboxd again, or remove the container with it first; nothing was changed",
                        ((struct record_head *)head)->version, RECORD_VERSION);
        return 0;
}

/* A container that we know nothing of, and must not make another in its place. */
static int refuse_newer(int dirfd, struct error *err)
{
        _cleanup_(freep) char *text = NULL;
        struct error why = ERROR_NULL;
        size_t len;

        if (fd_read_file(dirfd, META, RECORD_MAX, &text, &len) < 0 || check_version(text, len, &why) == 0 ||
            why.reason != REASON_NOT_SUPPORTED)
                return 0;
        return error_set(err, REASON_ALREADY_EXISTS, "it has a record, %s", why.message);
}

int record_dir_open(struct record_store *s, const char *owner, const char *ns, const char *id, bool create,
                    struct error *err)
{
        _cleanup_(fd_closep) int parent = -1;
        int fd;

        if (check_names(owner, ns, id, err) < 0)
                return -1;
        fd = open_dirs(s, owner, ns, id, create, &parent);
        if (fd >= 0 && create && refuse_newer(fd, err) < 0) {
                fd_close(fd);
                return error_wrap(err, "container %s/%s/%s", owner, ns, id);
        }
        return fd < 0 ? dir_error(s, fd, owner, ns, id, err) : fd;
}

const char *record_dir_path(struct record_store *s, const char *owner, const char *ns, const char *id, struct arena *a)
{
        return arena_printf(a, "%s/state/%s/%s/%s", s->root, owner_dir(owner), ns, id);
}

int record_save(int dirfd, const struct container_record *rec, struct error *err)
{
        struct container_record copy = *rec;
        _cleanup_(buf_deinit) struct buf text = { .max = RECORD_MAX };
        int r;

        copy.version = RECORD_VERSION;
        if (json_encode(&desc_container_record, &copy, &text, err) < 0)
                return error_wrap(err, "cannot write the record of a container");
        r = atomicfile_write(dirfd, META, buf_head(&text), buf_len(&text), 0600);
        return r < 0 ? error_set_errno(err, reason_of_errno(r), r, "cannot write the record " META " of a container")
                     : 0;
}

/* --- removing --- */

/* Hidden ones too: a daemon that is killed leaves them (base/atomicfile.c). */
static int unlink_all(int dirfd, struct error *err)
{
        char **names = NULL;
        size_t n = 0;
        int r = names_of(dirfd, true, &names, &n);

        if (r < 0)
                return error_set_errno(err, reason_of_errno(r), r, "cannot list a container's directory");
        for (size_t i = 0; i < n && r == 0; i++) {
                if (strcmp(names[i], META) == 0)
                        continue;
                if (unlinkat(dirfd, names[i], 0) == 0 || errno == ENOENT)
                        continue;
                if (errno == EISDIR && unlinkat(dirfd, names[i], AT_REMOVEDIR) == 0)
                        continue;
                r = error_set_errno(err, reason_of_errno(errno), errno,
                                    "cannot remove \"%s\", look at it and remove it by hand", names[i]);
        }
        record_names_free(names, n);
        return r;
}

/* rmdir of a directory that may be gone already. */
static int remove_dir(int parent, const char *name, struct error *err)
{
        if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
                return 0;
        return error_set_errno(err, reason_of_errno(errno), errno, "cannot remove the directory \"%s\"", name);
}

static void remove_empty_parents(struct record_store *s, const char *owner, const char *ns)
{
        _cleanup_(fd_closep) int owner_fd = record_subdir(s->state_fd, owner_dir(owner), false);

        /* others' directories keep them: ENOTEMPTY is as good as success */
        if (owner_fd >= 0)
                unlinkat(owner_fd, ns, AT_REMOVEDIR);
        unlinkat(s->state_fd, owner_dir(owner), AT_REMOVEDIR);
}

int record_remove(struct record_store *s, const char *owner, const char *ns, const char *id, struct error *err)
{
        _cleanup_(fd_closep) int parent = -1, fd = -1;

        if (check_names(owner, ns, id, err) < 0)
                return -1;
        crash_point("record.remove");
        fd = open_dirs(s, owner, ns, id, false, &parent);
        if (fd < 0 && fd != -ENOENT)
                return dir_error(s, fd, owner, ns, id, err);
        if (fd >= 0) {
                if (unlink_all(fd, err) < 0)
                        return error_wrap(err, "%s/state/%s/%s/%s", s->root, owner_dir(owner), ns, id);
                if (unlinkat(fd, META, 0) < 0 && errno != ENOENT)
                        return error_set_errno(err, reason_of_errno(errno), errno,
                                               "cannot remove %s/state/%s/%s/%s/" META, s->root, owner_dir(owner), ns,
                                               id);
                if (remove_dir(parent, id, err) < 0)
                        return -1;
        }
        remove_empty_parents(s, owner, ns);
        crash_point("record.removed");
        return 0;
}

/* --- reading all --- */
static int read_record(int dirfd, struct arena *a, struct container_record **ret, struct error *err)
{
        _cleanup_(freep) char *text = NULL;
        void *rec;
        size_t len;
        int r;

        r = fd_read_file(dirfd, META, RECORD_MAX, &text, &len);
        if (r == -ENOENT)
                return error_set(err, REASON_NOT_FOUND, "there is no " META);
        if (r == -ELOOP || r == -EISDIR || r == -EINVAL)
                return error_set(err, REASON_CORRUPT, META " is not a regular file");
        if (r == -EFBIG)
                return error_set(err, REASON_CORRUPT, META " has more than %d bytes", RECORD_MAX);
        if (r < 0)
                return error_set_errno(err, reason_of_errno(r), r, "cannot read " META);
        if (check_version(text, len, err) < 0 || json_decode(&desc_container_record, text, len, a, &rec, err) < 0)
                return error_wrap(err, META);
        *ret = rec;
        return 0;
}

/* A record that was moved or copied must not make a second owner of the same container. */
static int check_place(const struct container_record *rec, const char *owner, const char *ns, const char *id,
                       struct error *err)
{
        const struct create_params *p = rec->params;

        if (!p ||
            (strcmp(p->owner, owner) == 0 && strcmp(*p->ns ? p->ns : "default", ns) == 0 && strcmp(p->id, id) == 0))
                return 0;
        return error_set(err, REASON_CORRUPT, META ": it is the record of another container, \"%s/%s/%s\"", p->owner,
                         p->ns, p->id);
}

/* Made, and the daemon was killed before the first save: nothing has been done for this container yet. */
static bool is_unborn(int dirfd)
{
        struct stat st;
        char **names;
        size_t n;

        if (fstatat(dirfd, META, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT ||
            record_names(dirfd, &names, &n) < 0)
                return false;
        record_names_free(names, n);
        return n == 0;
}

struct each {
        struct record_store *store;
        record_each_fn fn;
        void *data;
        const char *owner, *ns;
};

static int each_container(struct each *e, int ns_fd, const char *id, struct error *err)
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        _cleanup_(fd_closep) int fd = -1;
        struct container_record *rec = NULL;
        struct error why = ERROR_NULL;
        int r;

        if (!a)
                return error_set(err, REASON_NO_RESOURCES, "no memory");
        fd = record_subdir(ns_fd, id, false);
        if (fd < 0) {
                dir_error(e->store, fd, e->owner, e->ns, id, &why);
        } else if (is_unborn(fd)) {
                if (record_remove(e->store, e->owner, e->ns, id, &why) == 0)
                        return 0;
        } else {
                r = read_record(fd, a, &rec, &why);
                if (r == 0)
                        r = check_place(rec, e->owner, e->ns, id, &why);
                if (r < 0) {
                        rec = NULL;
                        error_wrap(&why, "%s/state/%s/%s/%s", e->store->root, owner_dir(e->owner), e->ns, id);
                }
        }
        e->fn(e->data, e->owner, e->ns, id, rec, &a, rec ? NULL : &why);
        return 0;
}

typedef int (*level_fn)(struct each *e, int dirfd, const char *name, struct error *err);

/* Calls fn for each name in a directory that can be an id; of others it warns. */
static int each_name(struct each *e, int dirfd, const char *what, level_fn fn, struct error *err)
{
        char **names;
        size_t n;
        int r = record_names(dirfd, &names, &n);

        if (r < 0)
                return error_set_errno(err, reason_of_errno(r), r, "cannot list the state directory %s",
                                       e->store->root);
        for (size_t i = 0; i < n && r == 0; i++) {
                struct error why = ERROR_NULL;

                if ((fn != each_container && strcmp(names[i], NO_OWNER) == 0) || id_check(names[i], what, &why) == 0)
                        r = fn(e, dirfd, names[i], err);
                else
                        log_warn("state directory %s: ignored: %s", e->store->root, why.message);
        }
        record_names_free(names, n);
        return r;
}

/* A level that is not a directory is of no container: warned of and left alone. */
static int open_level(struct each *e, int dirfd, const char *name)
{
        int fd = record_subdir(dirfd, name, false);

        if (fd < 0 && fd != -ENOENT)
                log_warn("state directory %s: \"%s\" ignored: it is not a directory that can be read", e->store->root,
                         name);
        return fd;
}

static int each_ns(struct each *e, int owner_fd, const char *ns, struct error *err)
{
        _cleanup_(fd_closep) int fd = open_level(e, owner_fd, ns);

        e->ns = ns;
        return fd < 0 ? 0 : each_name(e, fd, "container id", each_container, err);
}

static int each_owner(struct each *e, int state_fd, const char *owner, struct error *err)
{
        _cleanup_(fd_closep) int fd = open_level(e, state_fd, owner);

        e->owner = strcmp(owner, NO_OWNER) == 0 ? "" : owner;
        return fd < 0 ? 0 : each_name(e, fd, "namespace", each_ns, err);
}

int record_each(struct record_store *s, record_each_fn fn, void *data, struct error *err)
{
        struct each e = { .store = s, .fn = fn, .data = data };

        return each_name(&e, s->state_fd, "owner", each_owner, err);
}
