/* SPDX-License-Identifier: Apache-2.0 */
/* Records survive, also a full disk; nothing planted in the state directory is followed; two daemons never share
 * one. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/log.h"
#include "daemon/record.h"
#include "tests/lib/fill.h"
#include "tests/unit/unit.h"

struct fixture {
        char dir[64]; /* below which everything is */
        char root[80];
        bool mounted;
        struct record_store *store;
};

static void run(const char *fmt, ...) _printf_(1, 2);
static void run(const char *fmt, ...)
{
        char command[1024];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(command, sizeof(command), fmt, ap);
        va_end(ap);
        if (system(command) != 0)
                fail_msg("%s", command);
}

static int setup(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));
        struct error err = ERROR_NULL;

        strcpy(f->dir, "/tmp/test-record.XXXXXX");
        assert_non_null(mkdtemp(f->dir));
        snprintf(f->root, sizeof(f->root), "%s/root", f->dir);
        if (record_store_open(&f->store, f->root, &err) < 0)
                fail_msg("%s", err.message);
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        record_store_free(f->store);
        if (f->mounted)
                umount2(f->root, MNT_DETACH);
        run("rm -rf %s", f->dir);
        free(f);
        return 0;
}

static struct container_record *record_for(struct arena *a, const char *owner, const char *ns, const char *id)
{
        struct container_record *rec = arena_alloc(a, sizeof(*rec));

        rec->params = arena_alloc(a, sizeof(*rec->params));
        rec->params->owner = owner;
        rec->params->ns = ns;
        rec->params->id = id;
        rec->params->bundle = "/run/b";
        rec->state = "running";
        rec->boot_id = "another-boot";
        rec->init = arena_alloc(a, sizeof(*rec->init));
        rec->init->pid = 1234;
        return rec;
}

static void save(struct fixture *f, const char *owner, const char *ns, const char *id)
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        struct error err = ERROR_NULL;
        _cleanup_(fd_closep) int fd = record_dir_open(f->store, owner, ns, id, true, &err);

        if (fd < 0 || record_save(fd, record_for(a, owner, ns, id), &err) < 0)
                fail_msg("%s", err.message);
}

static mode_t mode_of(const char *fmt, ...) _printf_(1, 2);
static mode_t mode_of(const char *fmt, ...)
{
        char path[512];
        struct stat st;
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(path, sizeof(path), fmt, ap);
        va_end(ap);
        return lstat(path, &st) < 0 ? 0 : st.st_mode & 07777;
}

/* What record_each said. */
struct seen {
        unsigned good, bad;
        char last[256], last_bad[256]; /* owner/ns/id */
        uint32_t pid;
        char boot_id[80];
        struct error err;
};

static void note(void *data, const char *owner, const char *ns, const char *id, struct container_record *rec,
                 struct arena **a, const struct error *err)
{
        struct seen *seen = data;

        snprintf(seen->last, sizeof(seen->last), "%s/%s/%s", owner, ns, id);
        assert_true((rec == NULL) == (err != NULL));
        if (rec) {
                seen->good++;
                seen->pid = rec->init ? rec->init->pid : 0;
                snprintf(seen->boot_id, sizeof(seen->boot_id), "%s", rec->boot_id);
        } else {
                seen->bad++;
                strcpy(seen->last_bad, seen->last);
                seen->err = *err;
        }
}

static struct seen each(struct fixture *f)
{
        struct seen seen = { 0 };
        struct error err = ERROR_NULL;

        if (record_each(f->store, note, &seen, &err) < 0)
                fail_msg("%s", err.message);
        return seen;
}

static void a_record_survives(void **state)
{
        struct fixture *f = *state;
        struct seen seen;

        assert_int_equal(each(f).good, 0);
        save(f, "", "default", "a");
        seen = each(f);
        assert_int_equal(seen.good, 1);
        assert_string_equal(seen.last, "/default/a");
        assert_int_equal(seen.pid, 1234);
        assert_string_equal(seen.boot_id, "another-boot"); /* of another boot: handed on, the adopter decides */
        save(f, "ctrd-1", "k8s.io", "a");
        save(f, "ctrd-1", "k8s.io", "b");
        save(f, "", "default", "a"); /* again */
        assert_int_equal(each(f).good, 3);
        assert_int_equal(each(f).bad, 0);
        assert_int_equal(mode_of("%s", f->root), 0711);
        assert_int_equal(mode_of("%s/state", f->root), 0700);
        assert_int_equal(mode_of("%s/tombstones", f->root), 0700);
        assert_int_equal(mode_of("%s/state/_", f->root), 0700);
        assert_int_equal(mode_of("%s/state/ctrd-1/k8s.io/b", f->root), 0700);
        assert_int_equal(mode_of("%s/state/ctrd-1/k8s.io/b/meta.json", f->root), 0600);
}

static void a_whole_record_survives(void **state)
{
        struct fixture *f = *state;
        _cleanup_(arena_freep) struct arena *a = arena_new();
        struct error err = ERROR_NULL;
        struct fill fill = { .seed = 7, .full = true };
        struct container_record *rec = fill_message(&fill, &desc_container_record, a);
        _cleanup_(fd_closep) int fd = record_dir_open(f->store, "", "n", "x", true, &err);
        _cleanup_(freep) char *text = NULL;
        size_t len;
        void *back;

        rec->version = RECORD_VERSION;
        if (record_save(fd, rec, &err) < 0 && !strstr(err.message, "2^63"))
                fail_msg("%s", err.message);
        if (fd_read_file(fd, "meta.json", RECORD_MAX, &text, &len) == 0) {
                assert_int_equal(json_decode(&desc_container_record, text, len, a, &back, &err), 0);
                assert_null(message_difference(&desc_container_record, rec, back));
        }
}

static void removing(void **state)
{
        struct fixture *f = *state;
        struct error err = ERROR_NULL;

        save(f, "o", "n", "a");
        save(f, "o", "n", "b");
        run("cd %s/state/o/n/a && touch init.pid .meta.json.tmp .exec.1.json.tmp create.log && ln -s /etc link",
            f->root);
        assert_int_equal(record_remove(f->store, "o", "n", "a", &err), 0);
        assert_int_equal(mode_of("%s/state/o/n/a", f->root), 0);
        assert_int_equal(mode_of("%s/state/o/n/b", f->root), 0700);
        assert_int_equal(record_remove(f->store, "o", "n", "a", &err), 0); /* gone already */
        assert_int_equal(record_remove(f->store, "o", "n", "b", &err), 0);
        assert_int_equal(mode_of("%s/state/o", f->root), 0); /* nor empty parents */
        assert_int_equal(record_remove(f->store, "o", "n", "b", &err), 0);
        assert_true(access("/etc/passwd", F_OK) == 0);
        /* what we did not make is not removed with all that is in it */
        save(f, "o", "n", "c");
        run("mkdir -p %s/state/o/n/c/strange/deep", f->root);
        assert_int_equal(record_remove(f->store, "o", "n", "c", &err), -1);
        assert_non_null(strstr(err.message, "strange"));
        assert_int_equal(each(f).good, 1); /* the record went last, so it is still there */
}

static void names_are_checked(void **state)
{
        struct fixture *f = *state;
        static const char *const bad[] = { "", "..", ".", "a/b", "../x", "a b", "-a" };
        struct error err = ERROR_NULL;

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                assert_int_equal(record_dir_open(f->store, "", "n", bad[i], true, &err), -1);
                assert_int_equal(record_dir_open(f->store, "", bad[i], "i", true, &err), -1);
                assert_int_equal(record_remove(f->store, "", "n", bad[i], &err), -1);
                if (*bad[i])
                        assert_int_equal(record_dir_open(f->store, bad[i], "n", "i", true, &err), -1);
        }
        assert_int_equal(record_dir_open(f->store, "", "n", "i", false, &err), -1);
        assert_int_equal(err.reason, REASON_NOT_FOUND);
}

static void spoiled(struct fixture *f, const char *text, enum reason reason, const char *message)
{
        char path[256];
        FILE *file;
        struct seen seen;

        run("rm -rf %s/state/_/n/x", f->root);
        save(f, "", "n", "x");
        snprintf(path, sizeof(path), "%s/state/_/n/x/meta.json", f->root);
        file = fopen(path, "w");
        assert_non_null(file);
        fputs(text, file);
        fclose(file);
        seen = each(f);
        assert_int_equal(seen.bad, 1);
        assert_string_equal(seen.last_bad, "/n/x");
        assert_int_equal(seen.err.reason, reason);
        if (!strstr(seen.err.message, message) || !strstr(seen.err.message, "/state/_/n/x"))
                fail_msg("\"%s\" is not in \"%s\"", message, seen.err.message);
}

static void bad_records_are_told(void **state)
{
        struct error err = ERROR_NULL;
        struct fixture *f = *state;

        save(f, "", "n", "good");
        spoiled(f, "", REASON_CORRUPT, "meta.json: the file is empty");
        spoiled(f, "{\n\"version\": 1, \"sta", REASON_CORRUPT, "meta.json: line 2, column");
        spoiled(f, "\x7f""ELF", REASON_CORRUPT, "meta.json: line 1");
        spoiled(f, "{\"version\": 1}", REASON_CORRUPT, "meta.json: state: is missing");
        spoiled(f, "{\"version\": 3, \"state\": {\"new\": \"shape\"}}", REASON_NOT_SUPPORTED,
                "start the newer sandboxd again");
        spoiled(f, "{\"version\": 1, \"state\": \"s\", \"params\": {\"ns\": \"n\", \"id\": \"y\", \"bundle\": \"/b\"}}",
                REASON_CORRUPT, "it is the record of another container, \"/n/y\"");
        assert_int_equal(each(f).good, 1);
        /* the file of a newer version was not touched */
        spoiled(f, "{\"version\": 99}", REASON_NOT_SUPPORTED, "version 99");
        run("grep -q 99 %s/state/_/n/x/meta.json", f->root);
        assert_int_equal(record_dir_open(f->store, "", "n", "x", true, &err), -1);
        assert_int_equal(err.reason, REASON_ALREADY_EXISTS);
        run("grep -q 99 %s/state/_/n/x/meta.json", f->root);
}

static void truncated_anywhere_is_told(void **state)
{
        struct fixture *f = *state;
        char path[256];
        struct stat st;

        save(f, "", "n", "x");
        snprintf(path, sizeof(path), "%s/state/_/n/x/meta.json", f->root);
        assert_int_equal(stat(path, &st), 0);
        /* without the newline it is still whole */
        for (off_t len = st.st_size - 2; len >= 0; len--) {
                assert_int_equal(truncate(path, len), 0);
                assert_int_equal(each(f).bad, 1);
        }
}

static void planted_links_are_not_followed(void **state)
{
        struct fixture *f = *state;
        struct error err = ERROR_NULL;
        struct seen seen;

        run("mkdir %s/away && cp -r %s/state %s/away/ && mkdir -p %s/away/n/x", f->dir, f->root, f->dir, f->dir);
        save(f, "", "n", "real");
        run("cp %s/state/_/n/real/meta.json %s/away/n/x/", f->root, f->dir);
        run("ln -s %s/away %s/state/evil", f->dir, f->root);       /* an owner */
        run("ln -s %s/away/n %s/state/_/evil", f->dir, f->root);   /* a namespace */
        run("ln -s %s/away/n/x %s/state/_/n/x", f->dir, f->root);  /* a container */
        run("touch %s/state/file %s/state/_/file %s/state/.hidden", f->root, f->root, f->root);
        seen = each(f);
        assert_int_equal(seen.good, 1);
        assert_int_equal(seen.bad, 1);
        assert_int_equal(seen.err.reason, REASON_CORRUPT);
        assert_non_null(strstr(seen.err.message, "symbolic link"));
        assert_int_equal(record_dir_open(f->store, "", "n", "x", true, &err), -1);
        assert_int_equal(record_dir_open(f->store, "evil", "n", "x", false, &err), -1);
        assert_int_equal(record_dir_open(f->store, "", "evil", "x", false, &err), -1);
        assert_int_equal(record_remove(f->store, "", "n", "x", &err), -1);
        assert_int_equal(mode_of("%s/away/n/x/meta.json", f->dir), 0600);
        /* a record that is a link, a directory or a FIFO */
        run("cd %s/state/_/n/real && mv meta.json m && ln -s m meta.json", f->root);
        seen = each(f);
        assert_int_equal(seen.good, 0);
        run("cd %s/state/_/n/real && rm meta.json && mkfifo meta.json", f->root);
        assert_int_equal(each(f).good, 0);
}

static void unborn_directories_go(void **state)
{
        struct fixture *f = *state;
        struct error err = ERROR_NULL;
        struct seen seen;

        fd_close(record_dir_open(f->store, "o", "n", "x", true, &err));
        run("touch %s/state/o/n/x/.meta.json.tmp %s/state/o/n/x/.exec.1.json.tmp", f->root, f->root);
        seen = each(f);
        assert_int_equal(seen.good + seen.bad, 0);
        assert_int_equal(mode_of("%s/state/o", f->root), 0);
        /* but not with files of a container in them */
        fd_close(record_dir_open(f->store, "o", "n", "x", true, &err));
        run("touch %s/state/o/n/x/init.pid", f->root);
        seen = each(f);
        assert_int_equal(seen.bad, 1);
        assert_int_equal(seen.err.reason, REASON_NOT_FOUND);
}

/* Tries to open the store in another process, which answers with 0 if it could, else writes the message. */
static bool another_can_open(const char *root, struct error *err)
{
        int p[2], status;
        pid_t pid;

        assert_int_equal(pipe(p), 0);
        pid = fork();
        if (pid == 0) {
                struct record_store *s;
                struct error e = ERROR_NULL;
                int r = record_store_open(&s, root, &e);

                if (write(p[1], &e, sizeof(e)) != sizeof(e))
                        _exit(2);
                _exit(r == 0 ? 0 : 1);
        }
        assert_int_equal(read(p[0], err, sizeof(*err)), sizeof(*err));
        close(p[0]);
        close(p[1]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return status == 0;
}

static void two_daemons_never_share(void **state)
{
        struct fixture *f = *state;
        struct error err, ignored = ERROR_NULL;
        char pid[32], link[100];
        pid_t child;
        int p[2];

        snprintf(pid, sizeof(pid), "pid %ld,", (long)getpid());
        assert_false(another_can_open(f->root, &err));
        assert_int_equal(err.reason, REASON_ALREADY_EXISTS);
        if (!strstr(err.message, pid))
                fail_msg("%s is not in %s", pid, err.message);
        snprintf(link, sizeof(link), "%s/other", f->dir); /* the same by another name */
        assert_int_equal(symlink("root", link), 0);
        assert_false(another_can_open(link, &err));

        /* a child of the daemon that lives on does not keep the lock */
        assert_int_equal(pipe(p), 0);
        child = fork();
        if (child == 0) {
                close(p[1]);
                _exit(read(p[0], pid, 1) == 0 ? 0 : 1);
        }
        f->store = record_store_free(f->store);
        assert_true(another_can_open(f->root, &err)); /* it has ended: the lock went with it */
        assert_int_equal(record_store_open(&f->store, f->root, &ignored), 0);
        close(p[0]);
        close(p[1]);
        assert_int_equal(waitpid(child, NULL, 0), child);
}

static void strange_roots_are_refused(void **state)
{
        struct fixture *f = *state;
        struct record_store *s;
        struct error err = ERROR_NULL;
        char path[128];

        snprintf(path, sizeof(path), "%s/no/such", f->dir);
        assert_int_equal(record_store_open(&s, path, &err), -1);
        assert_non_null(strstr(err.message, "cannot make the state directory"));
        snprintf(path, sizeof(path), "%s/file", f->dir);
        run("touch %s", path);
        assert_int_equal(record_store_open(&s, path, &err), -1);
        snprintf(path, sizeof(path), "%s/foreign", f->dir);
        run("mkdir %s && chown 65534 %s", path, path);
        assert_int_equal(record_store_open(&s, path, &err), -1);
        assert_int_equal(err.reason, REASON_PERMISSION);
        snprintf(path, sizeof(path), "%s/planted", f->dir);
        run("mkdir %s && ln -s %s/away %s/state", path, f->dir, path);
        assert_int_equal(record_store_open(&s, path, &err), -1);
}

static void a_full_disk(void **state)
{
        struct fixture *f = *state;
        _cleanup_(arena_freep) struct arena *a = arena_new();
        _cleanup_(fd_closep) int fd = -1;
        struct container_record *rec;
        struct error err = ERROR_NULL;
        struct seen seen;

        f->store = record_store_free(f->store);
        if (mount("tmpfs", f->root, "tmpfs", 0, "size=64k,mode=0711") < 0) {
                assert_int_equal(record_store_open(&f->store, f->root, &err), 0);
                unit_skip("cannot mount: needs root");
        }
        f->mounted = true;
        assert_int_equal(record_store_open(&f->store, f->root, &err), 0);
        save(f, "", "n", "x");
        fd = record_dir_open(f->store, "", "n", "x", false, &err);
        run("dd if=/dev/zero of=%s/fill bs=4k count=64 2>/dev/null; true", f->root);
        rec = record_for(a, "", "n", "x");
        rec->init->pid = 99;
        assert_int_equal(record_save(fd, rec, &err), -1);
        assert_int_equal(err.reason, REASON_NO_RESOURCES);
        seen = each(f); /* the old one is whole, and there is no half of a new one */
        assert_int_equal(seen.good, 1);
        assert_int_equal(seen.pid, 1234);
        assert_int_equal(mode_of("%s/state/_/n/x/.meta.json.tmp", f->root), 0);
        run("rm %s/fill", f->root);
        assert_int_equal(record_save(fd, rec, &err), 0);
        assert_int_equal(each(f).pid, 99);

}

static void a_read_only_disk(void **state)
{
        struct fixture *f = *state;
        _cleanup_(arena_freep) struct arena *a = arena_new();
        _cleanup_(fd_closep) int fd = -1;
        struct error err = ERROR_NULL;
        char path[160];

        save(f, "", "n", "x");
        snprintf(path, sizeof(path), "%s/ro", f->dir);
        assert_int_equal(mkdir(path, 0700), 0);
        if (mount(f->root, path, NULL, MS_BIND, NULL) < 0)
                unit_skip("cannot mount: needs root");
        assert_int_equal(mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), 0);
        strcat(path, "/state/_/n/x");
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(record_save(fd, record_for(a, "", "n", "x"), &err), -1);
        fd = fd_close(fd);
        run("umount %s/ro", f->dir);
        assert_non_null(strstr(err.message, "Read-only"));
        assert_int_equal(each(f).good, 1);
}

/* --- tombstones --- */
struct tombs {
        unsigned n;
        char first[64], last[64];
        uint64_t answered_at;
};

static void note_tombstone(void *data, const char *container_key, const struct record_answer *answer)
{
        struct tombs *t = data;

        if (t->n++ == 0)
                snprintf(t->first, sizeof(t->first), "%s", answer->request_id);
        snprintf(t->last, sizeof(t->last), "%s", answer->request_id);
        t->answered_at = answer->answered_at;
        assert_string_equal(container_key, "o/n/x");
        assert_int_equal(answer->data.len, 3);
        assert_memory_equal(answer->data.data, "\0\1\2", 3);
}

static struct tombs tombs(struct fixture *f)
{
        struct tombs t = { 0 };
        struct error err = ERROR_NULL;

        assert_int_equal(record_tombstone_each(f->store, note_tombstone, &t, &err), 0);
        return t;
}

static void bury(struct fixture *f, unsigned from, unsigned to)
{
        for (unsigned i = from; i < to; i++) {
                char id[16];
                struct record_answer answer = { .request_id = id, .method = "delete", .answered_at = i,
                                                .data = { .data = (const uint8_t *)"\0\1\2", .len = 3 } };
                struct error err = ERROR_NULL;

                snprintf(id, sizeof(id), "r%u", i);
                if (record_tombstone_save(f->store, "o/n/x", &answer, &err) < 0)
                        fail_msg("%s", err.message);
        }
}

static void reopen(struct fixture *f)
{
        struct error err = ERROR_NULL;

        f->store = record_store_free(f->store);
        assert_int_equal(record_store_open(&f->store, f->root, &err), 0);
}

static void tombstones(void **state)
{
        struct fixture *f = *state;
        struct tombs t;

        assert_int_equal(tombs(f).n, 0);
        bury(f, 0, 10);
        reopen(f);
        bury(f, 10, 20);
        t = tombs(f);
        assert_int_equal(t.n, 20);
        assert_string_equal(t.first, "r0");
        assert_string_equal(t.last, "r19");
        assert_int_equal(t.answered_at, 19);
        bury(f, 20, 1030);
        t = tombs(f);
        assert_int_equal(t.n, 1024);
        assert_string_equal(t.first, "r6");
        assert_string_equal(t.last, "r1029");
        reopen(f);
        bury(f, 1030, 1031);
        assert_int_equal(tombs(f).n, 1024);
        assert_string_equal(tombs(f).first, "r7");
        /* strangers and broken ones are passed over */
        run("cd %s/tombstones && touch 0 x 99999999999999999999.json 00000000000000000500.jsonx && : "
            ">00000000000000000600.json",
            f->root);
        reopen(f);
        assert_int_equal(tombs(f).n, 1023);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(a_record_survives),
                TEST(a_whole_record_survives),
                TEST(removing),
                TEST(names_are_checked),
                TEST(bad_records_are_told),
                TEST(truncated_anywhere_is_told),
                TEST(planted_links_are_not_followed),
                TEST(unborn_directories_go),
                TEST(two_daemons_never_share),
                TEST(strange_roots_are_refused),
                TEST(a_full_disk),
                TEST(a_read_only_disk),
                TEST(tombstones),
        };

        log_open("/dev/null"); /* warnings are part of the tests */
        return cmocka_run_group_tests(tests, NULL, NULL);
}
