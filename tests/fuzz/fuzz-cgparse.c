/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as any file of cgroupfs or /proc. The first byte says which, so that a seed is that byte and the file. What
 * comes out must be fit for a message: bounded lists of names that are UTF-8. */

#include "tests/fuzz/fuzz.h"

#include <string.h>
#include "base/pidref.h"
#include "daemon/cgparse.h"
#include "daemon/helper/mountinfo.h"
#include "daemon/oom_log.h"

static void check_name(const char *name)
{
        FUZZ_CHECK(name && strlen(name) <= LIMIT_ID);
        for (; *name; name++)
                FUZZ_CHECK(*name >= 0x20 && *name <= 0x7e);
}

static void lists(char kind, char *text, struct arena *a)
{
        struct list_kv kv = { 0 };
        struct list_blkio_entry io = { 0 };
        struct list_psi_entry psi = { 0 };
        struct list_net_entry net = { 0 };
        struct list_rdma_entry rdma = { 0 };

        switch (kind) {
        case 'k':
                FUZZ_CHECK(cg_parse_kv(text, a, &kv) == 0);
                break;
        case 'c':
                FUZZ_CHECK(cg_parse_percpu(text, a, &kv) == 0);
                break;
        case 'b':
                FUZZ_CHECK(cg_parse_blkio(text, "f", a, &io) == 0);
                break;
        case 'i':
                FUZZ_CHECK(cg_parse_io_stat(text, a, &io) == 0);
                break;
        case 'p':
                FUZZ_CHECK(cg_parse_psi(text, "io", a, &psi) == 0);
                break;
        case 'n':
                FUZZ_CHECK(cg_parse_net_dev(text, a, &net) == 0);
                break;
        case 'r':
                FUZZ_CHECK(cg_parse_rdma(text, arena_strdup(a, text), a, &rdma) == 0);
                break;
        }
        FUZZ_CHECK(kv.n <= LIMIT_LIST && io.n <= LIMIT_LIST && psi.n <= LIMIT_LIST && net.n <= LIMIT_LIST &&
                   rdma.n <= LIMIT_LIST);
        for (size_t i = 0; i < kv.n; i++) {
                uint64_t v;

                check_name(kv.items[i].key);
                FUZZ_CHECK(cg_u64(kv.items[i].value, &v) == 0);
        }
        for (size_t i = 0; i < io.n; i++)
                check_name(io.items[i].op);
        for (size_t i = 0; i < psi.n; i++)
                check_name(psi.items[i].kind);
        for (size_t i = 0; i < net.n; i++)
                check_name(net.items[i].name);
        for (size_t i = 0; i < rdma.n; i++)
                check_name(rdma.items[i].device);
}

/* Records of the kernel's log, one a line. */
static void kernel_log(char *text)
{
        struct oom_log l = OOM_LOG_NULL;
        struct oom_log_entry e;
        char *line;

        while ((line = cg_line(&text)))
                oom_log_feed(&l, line);
        FUZZ_CHECK(l.n <= OOM_VICTIMS_MAX);
        while (oom_log_take(&l, "", 42, &e)) {
                FUZZ_CHECK(e.pid > 0 && strlen(e.name) < sizeof(e.name));
                oom_log_entry_deinit(&e);
        }
        oom_log_deinit(&l);
}

static int add_pid(void *data, pid_t pid)
{
        FUZZ_CHECK(pid > 0 && pid <= 4194304);
        return ++*(unsigned *)data == 1000 ? -1 : 0;
}

/* In two pieces, cut where the first byte says. */
static void pids(const char *text)
{
        unsigned whole = 0, cut = 0;
        size_t len = strlen(text), at = len ? (unsigned char)text[0] % len : 0;
        pid_t carry = 0;
        int r = cg_parse_pids(text, len, &carry, add_pid, &whole), again;

        FUZZ_CHECK(whole <= len && (r == 0) == (whole < 1000));
        carry = 0;
        again = cg_parse_pids(text, at, &carry, add_pid, &cut);
        if (again == 0)
                again = cg_parse_pids(text + at, len - at, &carry, add_pid, &cut);
        FUZZ_CHECK(again == r && cut == whole);
}

static void process(const char *text)
{
        struct proc_stat st;

        if (proc_stat_parse(text, &st) == 0)
                FUZZ_CHECK(st.pid > 0 && strlen(st.comm) < sizeof(st.comm) && strchr(text, st.state));
}

static void mounts(const char *text)
{
        struct mountinfo m = MOUNTINFO_NULL;
        size_t len = strlen(text);

        if (mountinfo_parse(&m, strdup(text)) < 0)
                return;
        for (size_t i = 0; i < m.n; i++)
                FUZZ_CHECK(m.entries[i].point >= m.text &&
                           m.entries[i].point + strlen(m.entries[i].point) <= m.text + len);
        (void)mountinfo_find(&m, "/a/b");
        mountinfo_deinit(&m);
}

static void lines(char kind, char *text)
{
        char *line, *one, *two, *three;
        uint64_t v;

        if (kind == 's') {
                int r = cg_cpuset_equal(text, text);

                FUZZ_CHECK(r == 1 || r < 0);
        }
        if (kind == 'f' && cg_find(text, "oom_kill", &v))
                FUZZ_CHECK(strstr(text, "oom_kill "));
        if (kind == 'd' && cg_find_device(text, 8, 16, "", &v))
                FUZZ_CHECK(strchr(text, ':'));
        if (kind == 'd' && cg_find_device(text, 8, 16, "rbps", &v))
                FUZZ_CHECK(strstr(text, "rbps="));
        if (kind == 'l')
                FUZZ_CHECK(cg_u64(text, &v) < 0 || (*text >= '0' && *text <= '9' && cg_limit(text, &v) == 0));
        if (kind == 'o')
                kernel_log(text);
        if (kind == 'q')
                pids(text);
        if (kind == 't')
                process(text);
        if (kind == 'M')
                mounts(text);
        while ((kind == 'g' || kind == 'm') && (line = cg_line(&text))) {
                if (kind == 'g' && cg_parse_proc_line(line, &one, &two) == 0)
                        FUZZ_CHECK(*two == '/' && !cg_list_has(one, "\n"));
                else if (kind == 'm' && cg_parse_mount_line(line, &one, &two, &three) == 0)
                        FUZZ_CHECK(*two && *three);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        char *text;

        if (size < 1 || !a)
                return 0;
        text = arena_strndup(a, (const char *)data + 1, strnlen((const char *)data + 1, size - 1));
        if (!text)
                return 0;
        lists((char)data[0], text, a);
        lines((char)data[0], text);
        return 0;
}
