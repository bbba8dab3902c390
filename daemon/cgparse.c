/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Most of this text comes from the kernel, but a container has a say in it: it names its cgroups and its network
 * interfaces. So nothing here trusts a length or a number, and names that are not printable ASCII are made so.
 */

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "daemon/cgparse.h"

/* v1 limits are page counters: LONG_MAX rounded down to a page (of at most 64 KiB) means that there is none. */
#define V1_NO_LIMIT UINT64_C(0x7fffffffffff0000)
#define CPUSET_MAX  8192 /* CPUs or nodes; the kernel's own bound on x86 */
#define PID_LARGEST 4194304

char *cg_line(char **cursor)
{
        char *line = *cursor + strspn(*cursor, "\n"), *end;

        if (*line == '\0') {
                *cursor = line;
                return NULL;
        }
        end = line + strcspn(line, "\n");
        *cursor = *end ? end + 1 : end;
        *end = '\0';
        return line;
}

char *cg_word(char **cursor)
{
        char *word = *cursor + strspn(*cursor, " \t\n"), *end;

        if (*word == '\0') {
                *cursor = word;
                return NULL;
        }
        end = word + strcspn(word, " \t\n");
        *cursor = *end ? end + 1 : end;
        *end = '\0';
        return word;
}

/* Reads digits from *p on and moves it behind them. */
static int take_u64(const char **p, uint64_t *ret)
{
        const char *s = *p;
        uint64_t v = 0;

        if (!isdigit((unsigned char)*s))
                return -EBADMSG;
        for (; isdigit((unsigned char)*s); s++) {
                unsigned digit = (unsigned)(*s - '0');

                if (v > (UINT64_MAX - digit) / 10)
                        return -EBADMSG;
                v = v * 10 + digit;
        }
        *p = s;
        *ret = v;
        return 0;
}

int cg_u64(const char *text, uint64_t *ret)
{
        uint64_t v;

        if (take_u64(&text, &v) < 0 || text[strspn(text, " \t\n")])
                return -EBADMSG;
        *ret = v;
        return 0;
}

int cg_limit(const char *text, uint64_t *ret)
{
        size_t len = strcspn(text, " \t\n");
        uint64_t v;

        if (text[len + strspn(text + len, " \t\n")])
                return -EBADMSG;
        if ((len == 3 && memcmp(text, "max", 3) == 0) || (len == 2 && memcmp(text, "-1", 2) == 0)) {
                *ret = 0;
                return 0;
        }
        if (cg_u64(text, &v) < 0)
                return -EBADMSG;
        *ret = v >= V1_NO_LIMIT ? 0 : v;
        return 0;
}

int cg_parse_pids(const char *piece, size_t len, pid_t *carry, int (*add)(void *data, pid_t pid), void *data)
{
        for (size_t i = 0; i < len; i++) {
                pid_t pid = *carry;
                int r;

                if (piece[i] >= '0' && piece[i] <= '9') {
                        *carry = pid > PID_LARGEST ? pid : pid * 10 + (piece[i] - '0');
                        continue;
                }
                *carry = 0;
                r = pid > 0 && pid <= PID_LARGEST ? add(data, pid) : 0;
                if (r)
                        return r;
        }
        return 0;
}

bool cg_find(const char *text, const char *key, uint64_t *ret)
{
        size_t len = strlen(key);

        while (*text) {
                if (strncmp(text, key, len) == 0 && text[len] == ' ') {
                        const char *p = text + len + 1;

                        return take_u64(&p, ret) == 0 && (*p == '\n' || *p == '\0');
                }
                text += strcspn(text, "\n");
                text += *text == '\n';
        }
        return false;
}

/* The word behind p that is a value: of key, if that is not empty. */
static bool find_value(const char *p, const char *key, uint64_t *ret)
{
        size_t len = strlen(key), n;
        char value[32];

        for (; *p == ' '; p += n) {
                p += strspn(p, " ");
                n = strcspn(p, " \n");
                if (len && (strncmp(p, key, len) != 0 || p[len] != '='))
                        continue;
                p += len ? len + 1 : 0;
                n = strcspn(p, " \n");
                if (n >= sizeof(value))
                        return false;
                memcpy(value, p, n);
                value[n] = '\0';
                return cg_limit(value, ret) == 0;
        }
        return false;
}

bool cg_find_device(const char *text, uint64_t major, uint64_t minor, const char *key, uint64_t *ret)
{
        for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
                const char *p = text;
                uint64_t a, b;

                if (take_u64(&p, &a) == 0 && *p++ == ':' && take_u64(&p, &b) == 0 && a == major && b == minor)
                        return find_value(p, key, ret);
        }
        return false;
}

/* Room for `more` entries behind the n that are there; NULL: no memory, or nothing to add. */
static void *list_grow(struct arena *a, const void *items, size_t n, size_t more, size_t size)
{
        void *p = arena_alloc(a, (n + more) * size);

        if (p && n)
                memcpy(p, items, n * size);
        return p;
}

/* How many entries may still be added, when there are `want` candidates. */
static size_t list_room(size_t n, size_t want)
{
        size_t room = n < LIMIT_LIST ? LIMIT_LIST - n : 0;

        return want < room ? want : room;
}

static size_t count_lines(const char *text)
{
        size_t n = 0;

        while (*text) {
                text += strcspn(text, "\n");
                text += *text == '\n';
                n++;
        }
        return n;
}

static size_t count_words(const char *text)
{
        size_t n = 0;

        for (text += strspn(text, " \t\n"); *text; n++) {
                text += strcspn(text, " \t\n");
                text += strspn(text, " \t\n");
        }
        return n;
}

/* Makes a name fit for a message: printable ASCII, at most LIMIT_ID bytes. */
static const char *clean_name(char *name)
{
        if (strlen(name) > LIMIT_ID)
                name[LIMIT_ID] = '\0';
        for (char *p = name; *p; p++)
                if (*p < 0x20 || *p > 0x7e)
                        *p = '?';
        return name;
}

int cg_parse_kv(char *text, struct arena *a, struct list_kv *ret)
{
        size_t room = list_room(ret->n, count_lines(text));
        struct kv *items;
        char *line;

        if (!room)
                return 0;
        items = list_grow(a, ret->items, ret->n, room, sizeof(*items));
        if (!items)
                return -ENOMEM;
        for (; room && (line = cg_line(&text));) {
                char *key = cg_word(&line), *value = cg_word(&line);
                uint64_t v;

                if (!key || !value || cg_u64(value, &v) < 0)
                        continue;
                items[ret->n++] = (struct kv){.key = clean_name(key), .value = value};
                room--;
        }
        ret->items = items;
        return 0;
}

int cg_parse_percpu(char *text, struct arena *a, struct list_kv *ret)
{
        size_t room = list_room(ret->n, count_words(text));
        struct kv *items;
        char *word;
        unsigned cpu = 0;

        if (!room)
                return 0;
        items = list_grow(a, ret->items, ret->n, room, sizeof(*items));
        if (!items)
                return -ENOMEM;
        for (; room && (word = cg_word(&text)); cpu++) {
                char *key;
                uint64_t v;

                if (cg_u64(word, &v) < 0)
                        continue;
                key = arena_printf(a, "%u", cpu);
                if (!key)
                        return -ENOMEM;
                items[ret->n++] = (struct kv){.key = key, .value = word};
                room--;
        }
        ret->items = items;
        return 0;
}

/* "8:16" */
static int parse_device(const char *text, uint64_t *ret_major, uint64_t *ret_minor)
{
        if (take_u64(&text, ret_major) < 0 || *text++ != ':')
                return -EBADMSG;
        return cg_u64(text, ret_minor);
}

int cg_parse_blkio(char *text, const char *file, struct arena *a, struct list_blkio_entry *ret)
{
        size_t room = list_room(ret->n, count_lines(text));
        struct blkio_entry *items;
        char *line;

        if (!room)
                return 0;
        items = list_grow(a, ret->items, ret->n, room, sizeof(*items));
        if (!items)
                return -ENOMEM;
        for (; room && (line = cg_line(&text));) {
                struct blkio_entry e = {.file = file, .op = ""};
                char *device = cg_word(&line), *op = cg_word(&line), *value = cg_word(&line);

                /* "8:0 Read 1"; "8:0 1" in files without operations; the last line "Total 1" has no device. */
                if (!device || !op || parse_device(device, &e.major, &e.minor) < 0)
                        continue;
                if (value)
                        e.op = clean_name(op);
                else
                        value = op;
                if (cg_u64(value, &e.value) < 0)
                        continue;
                items[ret->n++] = e;
                room--;
        }
        ret->items = items;
        return 0;
}

int cg_parse_io_stat(char *text, struct arena *a, struct list_blkio_entry *ret)
{
        size_t room = list_room(ret->n, count_words(text));
        struct blkio_entry *items;
        char *line;

        if (!room)
                return 0;
        items = list_grow(a, ret->items, ret->n, room, sizeof(*items));
        if (!items)
                return -ENOMEM;
        while ((line = cg_line(&text))) {
                struct blkio_entry e = {.file = ""};
                char *device = cg_word(&line), *pair;

                if (!device || parse_device(device, &e.major, &e.minor) < 0)
                        continue;
                for (; room && (pair = cg_word(&line));) {
                        char *eq = strchr(pair, '=');

                        if (!eq || cg_u64(eq + 1, &e.value) < 0)
                                continue;
                        *eq = '\0';
                        e.op = clean_name(pair);
                        items[ret->n++] = e;
                        room--;
                }
        }
        ret->items = items;
        return 0;
}

/* "12.34" in hundredths. */
static int parse_centi(const char *text, uint64_t *ret)
{
        uint64_t whole;

        if (take_u64(&text, &whole) < 0 || whole > 1000 || text[0] != '.' || !isdigit((unsigned char)text[1]) ||
            !isdigit((unsigned char)text[2]) || text[3])
                return -EBADMSG;
        *ret = whole * 100 + (uint64_t)(text[1] - '0') * 10 + (uint64_t)(text[2] - '0');
        return 0;
}

static bool parse_psi_pair(const char *pair, struct psi_entry *e)
{
        if (strncmp(pair, "avg10=", 6) == 0)
                return parse_centi(pair + 6, &e->avg10_centi) == 0;
        if (strncmp(pair, "avg60=", 6) == 0)
                return parse_centi(pair + 6, &e->avg60_centi) == 0;
        if (strncmp(pair, "avg300=", 7) == 0)
                return parse_centi(pair + 7, &e->avg300_centi) == 0;
        if (strncmp(pair, "total=", 6) == 0)
                return cg_u64(pair + 6, &e->total_us) == 0;
        return true; /* of a later kernel */
}

int cg_parse_psi(char *text, const char *resource, struct arena *a, struct list_psi_entry *ret)
{
        size_t room = list_room(ret->n, count_lines(text));
        struct psi_entry *items;
        char *line;

        if (!room)
                return 0;
        items = list_grow(a, ret->items, ret->n, room, sizeof(*items));
        if (!items)
                return -ENOMEM;
        for (; room && (line = cg_line(&text));) {
                struct psi_entry e = {.resource = resource};
                char *kind = cg_word(&line), *pair;
                bool good = kind && (strcmp(kind, "some") == 0 || strcmp(kind, "full") == 0);

                e.kind = kind;
                while (good && (pair = cg_word(&line)))
                        good = parse_psi_pair(pair, &e);
                if (!good)
                        continue;
                items[ret->n++] = e;
                room--;
        }
        ret->items = items;
        return 0;
}

int cg_parse_net_dev(char *text, struct arena *a, struct list_net_entry *ret)
{
        size_t room = list_room(ret->n, count_lines(text));
        struct net_entry *items;
        char *line;

        if (!room)
                return 0;
        items = list_grow(a, ret->items, ret->n, room, sizeof(*items));
        if (!items)
                return -ENOMEM;
        for (; room && (line = cg_line(&text));) {
                /* bytes packets errs drop fifo frame compressed multicast, for each direction */
                char *colon = strrchr(line, ':'), *word, *name = line;
                uint64_t v[16];
                size_t n = 0;

                if (!colon)
                        continue; /* the two lines of the head */
                *colon++ = '\0';
                while (n < ARRAY_SIZE(v) && (word = cg_word(&colon)) && cg_u64(word, &v[n]) == 0)
                        n++;
                name += strspn(name, " ");
                if (n < 12 || !*name || strcmp(name, "lo") == 0)
                        continue;
                items[ret->n++] = (struct net_entry){.name = clean_name(name),
                                                     .rx_bytes = v[0],
                                                     .rx_packets = v[1],
                                                     .rx_errors = v[2],
                                                     .rx_dropped = v[3],
                                                     .tx_bytes = v[8],
                                                     .tx_packets = v[9],
                                                     .tx_errors = v[10],
                                                     .tx_dropped = v[11]};
                room--;
        }
        ret->items = items;
        return 0;
}

static struct rdma_entry *rdma_find(struct rdma_entry *items, size_t n, const char *device)
{
        for (size_t i = 0; i < n; i++)
                if (strcmp(items[i].device, device) == 0)
                        return &items[i];
        return NULL;
}

static void rdma_pairs(char *line, uint64_t *ret_handles, uint64_t *ret_objects)
{
        char *pair;

        while ((pair = cg_word(&line))) {
                if (strncmp(pair, "hca_handle=", 11) == 0)
                        (void)cg_limit(pair + 11, ret_handles);
                else if (strncmp(pair, "hca_object=", 11) == 0)
                        (void)cg_limit(pair + 11, ret_objects);
        }
}

int cg_parse_rdma(char *current, char *max, struct arena *a, struct list_rdma_entry *ret)
{
        size_t room = list_room(ret->n, (current ? count_lines(current) : 0) + (max ? count_lines(max) : 0));
        struct rdma_entry *items;

        if (!room)
                return 0;
        items = list_grow(a, ret->items, ret->n, room, sizeof(*items));
        if (!items)
                return -ENOMEM;
        for (int pass = 0; pass < 2; pass++) {
                char *text = pass ? max : current, *line;

                while (text && (line = cg_line(&text))) {
                        char *word = cg_word(&line);
                        const char *device = word ? clean_name(word) : NULL;
                        struct rdma_entry *e;

                        if (!device)
                                continue;
                        e = rdma_find(items, ret->n, device);
                        if (!e && room) {
                                room--;
                                e = &items[ret->n++];
                                e->device = device;
                        }
                        if (e)
                                rdma_pairs(line, pass ? &e->handles_limit : &e->handles_current,
                                           pass ? &e->objects_limit : &e->objects_current);
                }
        }
        ret->items = items;
        return 0;
}

int cg_parse_proc_line(char *line, char **ret_controllers, char **ret_path)
{
        static const char deleted[] = " (deleted)";
        char *list = strchr(line, ':'), *path;
        size_t len;

        if (!list)
                return -EBADMSG;
        *list++ = '\0';
        path = strchr(list, ':');
        if (!path || path[1] != '/')
                return -EBADMSG;
        *path++ = '\0';
        len = strlen(path);
        if (len >= sizeof(deleted) && strcmp(path + len - (sizeof(deleted) - 1), deleted) == 0)
                path[len - (sizeof(deleted) - 1)] = '\0';
        *ret_controllers = list;
        *ret_path = path;
        return 0;
}

bool cg_list_has(const char *list, const char *word)
{
        size_t len = strlen(word);

        while (*list) {
                size_t n = strcspn(list, ", \n");

                if (n == len && memcmp(list, word, len) == 0)
                        return true;
                list += n;
                list += strspn(list, ", \n");
        }
        return false;
}

/* "\040" -> " ", as mountinfo writes space, tab, newline and backslash. */
static void unescape(char *s)
{
        char *out = s;

        while (*s) {
                if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' &&
                    s[3] <= '7') {
                        *out++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
                        s += 4;
                } else {
                        *out++ = *s++;
                }
        }
        *out = '\0';
}

int cg_parse_mount_line(char *line, char **ret_point, char **ret_type, char **ret_options)
{
        char *word, *point = NULL, *type, *options;

        for (int i = 0; i < 5; i++)
                point = cg_word(&line);
        do
                word = cg_word(&line);
        while (word && strcmp(word, "-") != 0);
        type = cg_word(&line);
        (void)cg_word(&line);
        options = cg_word(&line);
        if (!point || !type || !options)
                return -EBADMSG;
        unescape(point);
        *ret_point = point;
        *ret_type = type;
        *ret_options = options;
        return 0;
}

static int cpuset_bits(const char *text, uint8_t bits[CPUSET_MAX / 8])
{
        uint64_t budget = 4 * CPUSET_MAX; /* overlapping ranges may not make this slow */

        memset(bits, 0, CPUSET_MAX / 8);
        text += strspn(text, " \t\n");
        while (*text) {
                uint64_t first, last;

                if (take_u64(&text, &first) < 0)
                        return -EBADMSG;
                last = first;
                if (*text == '-') {
                        text++;
                        if (take_u64(&text, &last) < 0)
                                return -EBADMSG;
                }
                if (first > last || last >= CPUSET_MAX || last - first >= budget)
                        return -EBADMSG;
                budget -= last - first + 1;
                for (uint64_t i = first; i <= last; i++)
                        bits[i / 8] |= (uint8_t)(1U << (i % 8));
                text += strspn(text, ", \t\n");
        }
        return 0;
}

int cg_cpuset_equal(const char *a, const char *b)
{
        uint8_t bits_a[CPUSET_MAX / 8], bits_b[CPUSET_MAX / 8];

        if (cpuset_bits(a, bits_a) < 0 || cpuset_bits(b, bits_b) < 0)
                return -EBADMSG;
        return memcmp(bits_a, bits_b, sizeof(bits_a)) == 0;
}
