/* SPDX-License-Identifier: Apache-2.0 */
#include "client/ctl/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "proto/proto.h"

int stdio_open_out(const char *path)
{
        int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

static int make_fifo(const struct stdio *s, const char *name, char path[PATH_MAX], struct error *err)
{
        if (snprintf(path, PATH_MAX, "%s/%s", s->dir, name) >= PATH_MAX)
                return error_set(err, REASON_INVALID_ARGUMENT, "the path of %s is too long", s->dir);
        if (mkfifo(path, 0600) < 0) {
                error_set_errno(err, REASON_INTERNAL, errno, "cannot make the FIFO %s", path);
                path[0] = '\0';
                return -1;
        }
        return 0;
}

static int open_outs(struct stdio *s, struct error *err)
{
        if (s->out_path[0] && (s->out_fd = stdio_open_out(s->out_path)) < 0)
                return error_set_errno(err, REASON_INTERNAL, s->out_fd, "cannot open %s", s->out_path);
        if (s->err_path[0] && (s->err_fd = stdio_open_out(s->err_path)) < 0)
                return error_set_errno(err, REASON_INTERNAL, s->err_fd, "cannot open %s", s->err_path);
        return 0;
}

int stdio_make(struct stdio *s, const char *dir, bool in, bool terminal, struct error *err)
{
        if (mkdir(dir, 0700) < 0)
                return error_set_errno(err, REASON_INTERNAL, errno, "cannot make the directory %s for the FIFOs", dir);
        snprintf(s->dir, sizeof(s->dir), "%s", dir);
        s->ours = true;
        if (in && make_fifo(s, "stdin", s->in_path, err) < 0)
                return -1;
        if (make_fifo(s, "stdout", s->out_path, err) < 0)
                return -1;
        if (!terminal && make_fifo(s, "stderr", s->err_path, err) < 0)
                return -1;
        return open_outs(s, err);
}

static void use(char ret[PATH_MAX], const char *path)
{
        struct stat st;

        if (path && path[0] == '/' && strlen(path) < PATH_MAX && stat(path, &st) == 0 && S_ISFIFO(st.st_mode))
                strcpy(ret, path);
}

int stdio_use(struct stdio *s, const char *in, const char *out, const char *err_path, struct error *err)
{
        use(s->in_path, in);
        use(s->out_path, out);
        if (!out || !err_path || strcmp(out, err_path) != 0)
                use(s->err_path, err_path);
        return open_outs(s, err);
}

void stdio_open_in(struct stdio *s)
{
        if (s->in_path[0])
                s->in_fd = open(s->in_path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
}

void stdio_deinit(struct stdio *s)
{
        const char *paths[] = { s->in_path, s->out_path, s->err_path };

        s->in_fd = fd_close(s->in_fd);
        s->out_fd = fd_close(s->out_fd);
        s->err_fd = fd_close(s->err_fd);
        for (size_t i = 0; s->ours && i < ARRAY_SIZE(paths); i++) {
                if (paths[i][0])
                        unlink(paths[i]);
        }
        if (s->ours && s->dir[0])
                rmdir(s->dir);
        s->ours = false;
}
