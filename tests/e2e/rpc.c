/* SPDX-License-Identifier: Apache-2.0 */

/*
 * rpc: one call to the daemon, for tests. It shares no code with the daemon or the client library (the SP framing,
 * msgpack and the envelope are written again here, from doc/protocol.md), and it checks nothing: so it can send what a
 * client of ours would refuse to send.
 *
 *      rpc [-t SECONDS] SOCKET METHOD [JSON]   parameters as JSON; {"$bin": "text"} is binary; the result as JSON, exit
 * 0; an error as JSON {code, reason, message}, exit 1 rpc [-t SECONDS] -x SOCKET HEX          sends these bytes as the
 * body of a request; prints what comes back
 *
 * Exit 2: no connection, or it was lost; 3: the time is over (default 30 s).
 */

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define EXIT_LOST 2
#define EXIT_LATE 3
#define CALL_ID   7

static const uint8_t sp_request_id[4] = { 0x80, 0, 0, 1 };

static void die(int status, const char *fmt, ...) __attribute__((noreturn, format(printf, 2, 3)));
static void die(int status, const char *fmt, ...)
{
        va_list ap;

        fputs("rpc: ", stderr);
        va_start(ap, fmt);
        vfprintf(stderr, fmt, ap);
        va_end(ap);
        fputc('\n', stderr);
        exit(status);
}

/* --- writing msgpack --- */

struct out {
        uint8_t *data;
        size_t len;
};

static void put(struct out *o, const void *data, size_t n)
{
        o->data = realloc(o->data, o->len + n + 1);
        if (!o->data)
                die(EXIT_LOST, "no memory");
        if (n)
                memcpy(o->data + o->len, data, n);
        o->len += n;
}

static void put_number(struct out *o, uint8_t type, uint64_t value, unsigned bytes)
{
        uint8_t b[9] = { type };

        for (unsigned i = 0; i < bytes; i++)
                b[1 + i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
        put(o, b, 1 + bytes);
}

static void put_json(struct out *o, const json_t *j);

static void put_object(struct out *o, const json_t *j)
{
        const json_t *bin = json_object_get(j, "$bin");
        const char *key;
        json_t *value;

        if (bin) {
                put_number(o, 0xc6, json_string_length(bin), 4);
                put(o, json_string_value(bin), json_string_length(bin));
                return;
        }
        put_number(o, 0xdf, json_object_size(j), 4);
        json_object_foreach((json_t *)j, key, value)
        {
                put_number(o, 0xdb, strlen(key), 4);
                put(o, key, strlen(key));
                put_json(o, value);
        }
}

static void put_json(struct out *o, const json_t *j)
{
        json_t *item;
        size_t i;

        switch (json_typeof(j)) {
        case JSON_OBJECT:
                put_object(o, j);
                break;
        case JSON_ARRAY:
                put_number(o, 0xdd, json_array_size(j), 4);
                json_array_foreach(j, i, item) put_json(o, item);
                break;
        case JSON_STRING:
                put_number(o, 0xdb, json_string_length(j), 4);
                put(o, json_string_value(j), json_string_length(j));
                break;
        case JSON_INTEGER:
                put_number(o, json_integer_value(j) < 0 ? 0xd3 : 0xcf, (uint64_t)json_integer_value(j), 8);
                break;
        case JSON_REAL:
                die(EXIT_LOST, "the protocol has no fractions");
        default:
                put_number(o, json_is_true(j) ? 0xc3 : json_is_false(j) ? 0xc2 : 0xc0, 0, 0);
        }
}

/* --- reading msgpack --- */

struct in {
        const uint8_t *data;
        size_t len, pos;
};

static const uint8_t *get(struct in *in, size_t n)
{
        const uint8_t *p = in->data + in->pos;

        if (in->len - in->pos < n)
                die(EXIT_LOST, "the answer is cut off");
        in->pos += n;
        return p;
}

static uint64_t get_number(struct in *in, unsigned bytes)
{
        const uint8_t *p = get(in, bytes);
        uint64_t value = 0;

        for (unsigned i = 0; i < bytes; i++)
                value = value << 8 | p[i];
        return value;
}

static json_t *get_text(struct in *in, size_t n)
{
        const char *p = (const char *)get(in, n);
        json_t *text = json_stringn(p, n);

        return text ? text : json_sprintf("(%zu bytes that are not UTF-8)", n);
}

static json_t *get_json(struct in *in);

static json_t *get_array(struct in *in, size_t n)
{
        json_t *array = json_array();

        while (n-- > 0)
                json_array_append_new(array, get_json(in));
        return array;
}

static json_t *get_map(struct in *in, size_t n)
{
        json_t *map = json_object();

        while (n-- > 0) {
                json_t *key = get_json(in), *value = get_json(in);

                if (!json_is_string(key) || json_object_get(map, json_string_value(key)))
                        die(EXIT_LOST, "the answer has a map with a key that is no text, or there twice");
                json_object_set_new(map, json_string_value(key), value);
                json_decref(key);
        }
        return map;
}

static json_t *get_json(struct in *in)
{
        uint8_t type = *get(in, 1);
        unsigned wide;

        if (type <= 0x7f)
                return json_integer(type);
        if (type <= 0x8f)
                return get_map(in, type & 0x0f);
        if (type <= 0x9f)
                return get_array(in, type & 0x0f);
        if (type <= 0xbf)
                return get_text(in, type & 0x1f);
        if (type >= 0xe0)
                return json_integer((int8_t)type);
        switch (type) {
        case 0xc0:
                return json_null();
        case 0xc2:
        case 0xc3:
                return json_boolean(type == 0xc3);
        case 0xc4:
        case 0xc5:
        case 0xc6:
                return get_text(in, get_number(in, 1U << (type - 0xc4)));
        case 0xcc:
        case 0xcd:
        case 0xce:
        case 0xcf:
                return json_integer((json_int_t)get_number(in, 1U << (type - 0xcc)));
        case 0xd0:
        case 0xd1:
        case 0xd2:
        case 0xd3:
                wide = 8U << (type - 0xd0);
                return json_integer((json_int_t)(get_number(in, wide / 8) << (64 - wide)) >> (64 - wide));
        case 0xd9:
        case 0xda:
        case 0xdb:
                return get_text(in, get_number(in, 1U << (type - 0xd9)));
        case 0xdc:
        case 0xdd:
                return get_array(in, get_number(in, 2U << (type - 0xdc)));
        case 0xde:
        case 0xdf:
                return get_map(in, get_number(in, 2U << (type - 0xde)));
        }
        die(EXIT_LOST, "the answer has a value of type 0x%02x", type);
}

/* --- the connection --- */

struct connection {
        int fd;
        int64_t deadline; /* ms */
};

static int64_t now_ms(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void await(const struct connection *c, short events)
{
        struct pollfd p = { .fd = c->fd, .events = events };
        int64_t left = c->deadline - now_ms();

        if (left <= 0 || poll(&p, 1, (int)left) == 0)
                die(EXIT_LATE, "the time is over");
}

static void send_all(const struct connection *c, const void *data, size_t n)
{
        const uint8_t *p = data;

        while (n > 0) {
                ssize_t r;

                await(c, POLLOUT);
                r = send(c->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
                if (r < 0 && errno != EAGAIN)
                        die(EXIT_LOST, "cannot send: %s", strerror(errno));
                p += r > 0 ? r : 0;
                n -= r > 0 ? (size_t)r : 0;
        }
}

static void receive_all(const struct connection *c, void *data, size_t n)
{
        uint8_t *p = data;

        while (n > 0) {
                ssize_t r;

                await(c, POLLIN);
                r = recv(c->fd, p, n, MSG_DONTWAIT);
                if (r == 0 || (r < 0 && errno != EAGAIN))
                        die(EXIT_LOST, "the connection was closed");
                p += r > 0 ? r : 0;
                n -= r > 0 ? (size_t)r : 0;
        }
}

static struct connection open_connection(const char *path, int seconds)
{
        static const uint8_t greeting[8] = { 0, 'S', 'P', 0, 0, 0x30, 0, 0 },
                             wanted[8] = { 0, 'S', 'P', 0, 0, 0x31, 0, 0 };
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        struct connection c = { .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
                                .deadline = now_ms() + seconds * 1000 };
        uint8_t theirs[8];

        if (strlen(path) >= sizeof(address.sun_path))
                die(EXIT_LOST, "the socket's path is too long");
        strcpy(address.sun_path, path);
        if (c.fd < 0 || connect(c.fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                die(EXIT_LOST, "cannot connect to %s: %s", path, strerror(errno));
        send_all(&c, greeting, sizeof(greeting));
        receive_all(&c, theirs, sizeof(theirs));
        if (memcmp(theirs, wanted, sizeof(wanted)) != 0)
                die(EXIT_LOST, "the peer is no SP reply socket");
        return c;
}

static void send_message(const struct connection *c, const struct out *body)
{
        uint64_t n = body->len + sizeof(sp_request_id);
        uint8_t head[9] = { 1 };

        for (unsigned i = 0; i < 8; i++)
                head[1 + i] = (uint8_t)(n >> (8 * (7 - i)));
        send_all(c, head, sizeof(head));
        send_all(c, sp_request_id, sizeof(sp_request_id));
        send_all(c, body->data, body->len);
}

static json_t *receive_message(const struct connection *c)
{
        struct in head = { .len = 9 }, body = { 0 };
        uint8_t bytes[9], *data;
        uint64_t n;
        json_t *j;

        receive_all(c, bytes, sizeof(bytes));
        head.data = bytes + 1;
        head.len = 8;
        n = get_number(&head, 8);
        if (bytes[0] != 1 || n < sizeof(sp_request_id) || n > (64U << 20))
                die(EXIT_LOST, "the answer's frame is wrong");
        data = malloc(n);
        if (!data)
                die(EXIT_LOST, "no memory");
        receive_all(c, data, n);
        if (memcmp(data, sp_request_id, sizeof(sp_request_id)) != 0)
                die(EXIT_LOST, "the answer is for another request");
        body.data = data + sizeof(sp_request_id);
        body.len = n - sizeof(sp_request_id);
        j = get_json(&body);
        if (body.pos != body.len)
                die(EXIT_LOST, "the answer has trailing bytes");
        free(data);
        return j;
}

/* --- the call --- */

static void put_request(struct out *o, const char *method, const char *params)
{
        json_error_t where;
        json_t *j = json_loads(params, JSON_DECODE_ANY | JSON_ALLOW_NUL, &where);
        json_t *request;

        if (!j)
                die(EXIT_LOST, "the parameters are not JSON: line %d, column %d: %s", where.line, where.column,
                    where.text);
        request = json_pack("[i, i, s, o]", 0, CALL_ID, method, j);
        put_json(o, request);
        json_decref(request);
}

static void put_hex(struct out *o, const char *hex)
{
        for (; hex[0] && hex[1]; hex += 2) {
                char pair[3] = { hex[0], hex[1], '\0' };
                uint8_t byte = (uint8_t)strtoul(pair, NULL, 16);

                put(o, &byte, 1);
        }
}

static int print_answer(const json_t *answer)
{
        const json_t *error = json_array_get(answer, 2),
                     *what = json_is_null(error) ? json_array_get(answer, 3) : error;
        char *text = json_dumps(what, JSON_COMPACT | JSON_ENCODE_ANY);

        if (!text || json_array_size(answer) != 4 || json_integer_value(json_array_get(answer, 0)) != 1)
                die(EXIT_LOST, "the answer is no response");
        puts(text);
        free(text);
        return json_is_null(error) ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
        struct out body = { 0 };
        struct connection c;
        int seconds = 30, opt, status;
        int raw = 0;
        json_t *answer;

        while ((opt = getopt(argc, argv, "+t:x")) != -1) {
                if (opt == 't')
                        seconds = atoi(optarg);
                else if (opt == 'x')
                        raw = 1;
                else
                        return EXIT_LOST;
        }
        if (argc - optind < 2)
                die(EXIT_LOST, "usage: rpc [-t SECONDS] SOCKET METHOD [JSON] | rpc [-t SECONDS] -x SOCKET HEX");
        if (raw)
                put_hex(&body, argv[optind + 1]);
        else
                put_request(&body, argv[optind + 1], argc - optind > 2 ? argv[optind + 2] : "{}");
        c = open_connection(argv[optind], seconds);
        send_message(&c, &body);
        answer = receive_message(&c);
        status = print_answer(answer);
        json_decref(answer);
        free(body.data);
        close(c.fd);
        return status;
}
