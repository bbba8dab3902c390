/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structs to msgpack and back, by the descriptions of the messages.
 *
 * Decoding takes three steps: shape.c makes sure that the bytes are what they claim to be, the library builds a tree
 * from them (whose texts point into the input), and the tree is read into structs of the arena. What the arena takes is
 * counted against a budget that grows with the input, since one byte (an empty map) can stand for a large struct.
 */

#include "proto/codec.h"

#include <inttypes.h>
#include <msgpack.h>
#include <string.h>
#include "proto/field.h"
#include "proto/shape.h"

#define TYPE_REQUEST 0U
#define TYPE_RESPONSE 1U
#define BUDGET_BASE 4096U
#define BUDGET_FACTOR 64U

struct wire_error {
        uint32_t code;
        const char *reason, *message;
};
static const struct field_desc fields_wire_error[] = {
        { "code", FIELD_U32, offsetof(struct wire_error, code), CODE_UNAUTHENTICATED, REQUIRED, NULL, "gRPC code" },
        { "reason", FIELD_STR, offsetof(struct wire_error, reason), LIMIT_ID, REQUIRED, NULL, "reason" },
        { "message", FIELD_STR, offsetof(struct wire_error, message), LIMIT_TEXT, 0, NULL, "sentence" },
};
static const struct message_desc desc_wire_error = { "error", "why a request failed", sizeof(struct wire_error),
                                                     fields_wire_error, ARRAY_SIZE(fields_wire_error) };

/* --- encoding --- */
static int write_cb(void *data, const char *bytes, size_t n)
{
        struct buf *b = data;

        buf_append(b, bytes, n);
        return b->failed ? -1 : 0;
}

static void pack_text(msgpack_packer *pk, const char *text)
{
        msgpack_pack_str_with_body(pk, text, strlen(text));
}

static int encode_message(msgpack_packer *pk, const struct message_desc *desc, const void *msg, unsigned depth,
                          struct error *err);

static int encode_list(msgpack_packer *pk, const struct field_desc *f, struct raw_list list, unsigned depth,
                       struct error *err)
{
        msgpack_pack_array(pk, list.n);
        for (size_t i = 0; i < list.n; i++) {
                const char *text;

                if (f->kind == FIELD_MSGS) {
                        const void *item = (char *)list.items + i * f->message->size;

                        if (encode_message(pk, f->message, item, depth + 2, err) < 0)
                                return error_wrap(err, "%s[%zu]", f->name, i);
                        continue;
                }
                text = ((const char **)list.items)[i];
                if (!text)
                        text = "";
                if (field_check_text(f, text, strlen(text), err) < 0)
                        return error_wrap(err, "entry %zu", i);
                pack_text(pk, text);
        }
        return 0;
}

static int encode_field(msgpack_packer *pk, const struct field_desc *f, const void *from, unsigned depth,
                        struct error *err)
{
        const struct blob *blob = from;
        const char *text;

        switch (f->kind) {
        case FIELD_STR:
                text = field_pointer(from);
                if (field_check_text(f, text, strlen(text), err) < 0)
                        return -1;
                pack_text(pk, text);
                return 0;
        case FIELD_BIN:
                msgpack_pack_bin_with_body(pk, blob->data, blob->len);
                return 0;
        case FIELD_BOOL:
                msgpack_pack_true(pk);
                return 0;
        case FIELD_I64:
                msgpack_pack_int64(pk, *(const int64_t *)from);
                return 0;
        case FIELD_U32:
        case FIELD_U64:
                msgpack_pack_uint64(pk, field_number(from, f->kind));
                return 0;
        case FIELD_MSG:
                if (encode_message(pk, f->message, field_pointer(from), depth + 1, err) < 0)
                        return error_wrap(err, "%s", f->name);
                return 0;
        default:
                return encode_list(pk, f, field_list(from), depth, err);
        }
}

/* depth: maps and lists around this map. */
static int encode_message(msgpack_packer *pk, const struct message_desc *desc, const void *msg, unsigned depth,
                          struct error *err)
{
        size_t present = 0;

        if (depth >= LIMIT_DEPTH)
                return error_set(err, REASON_INTERNAL, "%s: nested deeper than %d", desc->name, LIMIT_DEPTH);
        for (size_t i = 0; i < desc->n_fields; i++) {
                const struct field_desc *f = &desc->fields[i];
                uint64_t size = field_size(field_of(msg, f), f->kind);

                if (field_check_required(f, size, err) < 0 || field_check_limit(f, f->kind, size, err) < 0)
                        return -1;
                present += size > 0;
        }
        msgpack_pack_map(pk, present);
        for (size_t i = 0; i < desc->n_fields; i++) {
                const struct field_desc *f = &desc->fields[i];

                if (field_size(field_of(msg, f), f->kind) == 0)
                        continue;
                pack_text(pk, f->name);
                if (encode_field(pk, f, field_of(msg, f), depth, err) < 0)
                        return -1;
        }
        return 0;
}

/* Ends an encoding that began at `start` bytes of b: on failure nothing of it stays. */
static int encode_end(struct buf *b, size_t start, int r, struct error *err)
{
        if (r == 0 && !b->failed)
                return 0;
        if (r == 0)
                error_set(err, REASON_NO_RESOURCES, "no memory for a message");
        b->end = b->start + start;
        return -1;
}

static void rpc_begin(msgpack_packer *pk, struct buf *b, uint32_t type, uint32_t id)
{
        msgpack_packer_init(pk, b, write_cb);
        msgpack_pack_array(pk, 4);
        msgpack_pack_uint32(pk, type);
        msgpack_pack_uint32(pk, id);
}

int rpc_request_encode(uint32_t id, const struct method_desc *method, const void *params, struct buf *ret,
                       struct error *err)
{
        size_t start = buf_len(ret);
        msgpack_packer pk;
        int r;

        rpc_begin(&pk, ret, TYPE_REQUEST, id);
        pack_text(&pk, method->name);
        r = encode_message(&pk, method->params, params, 1, err);
        if (r == 0 && !ret->failed && buf_len(ret) - start > LIMIT_MESSAGE)
                r = error_set(err, REASON_TOO_LARGE, "%s: the request has %zu bytes, over the limit of %d",
                              method->name, buf_len(ret) - start, LIMIT_MESSAGE);
        return encode_end(ret, start, r, err);
}

int rpc_response_encode(uint32_t id, const struct message_desc *desc, const void *result, struct buf *ret,
                        struct error *err)
{
        size_t start = buf_len(ret);
        msgpack_packer pk;

        rpc_begin(&pk, ret, TYPE_RESPONSE, id);
        msgpack_pack_nil(&pk);
        return encode_end(ret, start, encode_message(&pk, desc, result, 1, err), err);
}

int rpc_response_encode_error(uint32_t id, const struct error *error, struct buf *ret)
{
        enum reason reason =
                error->reason > REASON_NONE && error->reason < REASON_N ? (enum reason)error->reason : REASON_INTERNAL;
        struct wire_error wire = { .code = (uint32_t)reason_code(reason), .reason = reason_name(reason) };
        char text[ERROR_MESSAGE_MAX]; /* a runtime's words may be anything */
        size_t start = buf_len(ret);
        msgpack_packer pk;
        int r;

        memcpy(text, error->message, sizeof(text));
        text[sizeof(text) - 1] = '\0';
        wire.message = text_clean(text, sizeof(text));
        rpc_begin(&pk, ret, TYPE_RESPONSE, id);
        r = encode_message(&pk, &desc_wire_error, &wire, 1, NULL);
        msgpack_pack_nil(&pk);
        return encode_end(ret, start, r, NULL);
}

int message_encode(const struct message_desc *desc, const void *msg, struct buf *ret, struct error *err)
{
        size_t start = buf_len(ret);
        msgpack_packer pk;

        msgpack_packer_init(&pk, ret, write_cb);
        return encode_end(ret, start, encode_message(&pk, desc, msg, 0, err), err);
}

/* --- decoding --- */
struct decoder {
        struct arena *arena;
        size_t budget;
        bool lenient; /* unknown fields are passed over */
        struct error *err;
};

static void *take(struct decoder *d, size_t n, size_t size)
{
        void *p;

        if (n > 0 && size > d->budget / n) {
                error_set(d->err, REASON_TOO_LARGE, "the message would take too much memory for its size");
                return NULL;
        }
        p = arena_alloc(d->arena, n * size);
        if (!p) {
                error_set(d->err, REASON_NO_RESOURCES, "no memory for a message");
                return NULL;
        }
        d->budget -= n * size;
        return p;
}

static int wrong_type(struct decoder *d, const struct field_desc *f, const char *wanted)
{
        return error_set(d->err, REASON_INVALID_ARGUMENT, "%s: the value is not %s", f->name, wanted);
}

/* A copy of n bytes with a NUL behind them. */
static char *copy_bytes(struct decoder *d, const char *bytes, size_t n)
{
        char *copy = take(d, n + 1, 1);

        if (copy && n > 0)
                memcpy(copy, bytes, n);
        return copy;
}

static char *decode_text(struct decoder *d, const struct field_desc *f, const msgpack_object *o)
{
        if (o->type != MSGPACK_OBJECT_STR) {
                wrong_type(d, f, "a str");
                return NULL;
        }
        if (field_check_text(f, o->via.str.ptr, o->via.str.size, d->err) < 0)
                return NULL;
        return copy_bytes(d, o->via.str.ptr, o->via.str.size);
}

static int decode_blob(struct decoder *d, const struct field_desc *f, const msgpack_object *o, struct blob *ret)
{
        char *bytes;

        if (o->type != MSGPACK_OBJECT_BIN)
                return wrong_type(d, f, "a bin");
        if (field_check_limit(f, FIELD_BIN, o->via.bin.size, d->err) < 0)
                return -1;
        bytes = copy_bytes(d, o->via.bin.ptr, o->via.bin.size);
        if (!bytes)
                return -1;
        *ret = (struct blob){ .data = (uint8_t *)bytes, .len = o->via.bin.size };
        return 0;
}

static int decode_number(struct decoder *d, const struct field_desc *f, const msgpack_object *o, void *to)
{
        if (f->kind == FIELD_BOOL) {
                if (o->type != MSGPACK_OBJECT_BOOLEAN)
                        return wrong_type(d, f, "a boolean");
                *(bool *)to = o->via.boolean;
                return 0;
        }
        if (f->kind == FIELD_I64) {
                if (o->type == MSGPACK_OBJECT_POSITIVE_INTEGER ? o->via.u64 > INT64_MAX
                                                               : o->type != MSGPACK_OBJECT_NEGATIVE_INTEGER)
                        return wrong_type(d, f, "an integer of 64 bits");
                *(int64_t *)to = o->via.i64;
                return 0;
        }
        if (o->type != MSGPACK_OBJECT_POSITIVE_INTEGER || (f->kind == FIELD_U32 && o->via.u64 > UINT32_MAX))
                return wrong_type(d, f,
                                  f->kind == FIELD_U32 ? "an integer from 0 to 2^32-1" : "an integer from 0 to 2^64-1");
        if (field_check_limit(f, f->kind, o->via.u64, d->err) < 0)
                return -1;
        if (f->kind == FIELD_U32)
                *(uint32_t *)to = (uint32_t)o->via.u64;
        else
                *(uint64_t *)to = o->via.u64;
        return 0;
}

static int decode_message(struct decoder *d, const struct message_desc *desc, const msgpack_object *o, void *msg);

static int decode_list(struct decoder *d, const struct field_desc *f, const msgpack_object *o, void *to)
{
        size_t size = f->kind == FIELD_MSGS ? f->message->size : sizeof(char *);
        struct raw_list list;

        if (o->type != MSGPACK_OBJECT_ARRAY)
                return wrong_type(d, f, "an array");
        list.n = o->via.array.size;
        if (field_check_limit(f, f->kind, list.n, d->err) < 0)
                return -1;
        list.items = take(d, list.n, size);
        if (!list.items)
                return -1;
        for (size_t i = 0; i < list.n; i++) {
                const msgpack_object *item = &o->via.array.ptr[i];

                if (f->kind == FIELD_STRS) {
                        ((const char **)list.items)[i] = decode_text(d, f, item);
                        if (!((const char **)list.items)[i])
                                return error_wrap(d->err, "entry %zu", i);
                } else if (decode_message(d, f->message, item, (char *)list.items + i * size) < 0) {
                        return error_wrap(d->err, "%s[%zu]", f->name, i);
                }
        }
        memcpy(to, &list, sizeof(list));
        return 0;
}

static int decode_field(struct decoder *d, const struct field_desc *f, const msgpack_object *o, void *to)
{
        void *p;

        switch (f->kind) {
        case FIELD_STR:
                p = decode_text(d, f, o);
                if (!p)
                        return -1;
                memcpy(to, &p, sizeof(p));
                return 0;
        case FIELD_BIN:
                return decode_blob(d, f, o, to);
        case FIELD_STRS:
        case FIELD_MSGS:
                return decode_list(d, f, o, to);
        case FIELD_MSG:
                if (o->type == MSGPACK_OBJECT_NIL)
                        return 0;
                p = take(d, 1, f->message->size);
                if (!p)
                        return -1;
                if (decode_message(d, f->message, o, p) < 0)
                        return error_wrap(d->err, "%s", f->name);
                memcpy(to, &p, sizeof(p));
                return 0;
        default:
                return decode_number(d, f, o, to);
        }
}

/* Fields mostly come in the order of the table: the search begins behind the one found last. */
static const struct field_desc *find_field(const struct message_desc *desc, size_t begin, const msgpack_object *key)
{
        for (size_t k = 0; k < desc->n_fields; k++) {
                const struct field_desc *f = &desc->fields[(begin + k) % desc->n_fields];

                if (strlen(f->name) == key->via.str.size && memcmp(f->name, key->via.str.ptr, key->via.str.size) == 0)
                        return f;
        }
        return NULL;
}

static int decode_message(struct decoder *d, const struct message_desc *desc, const msgpack_object *o, void *msg)
{
        uint64_t seen = 0; /* bit per field */
        size_t begin = 0;

        if (o->type != MSGPACK_OBJECT_MAP)
                return error_set(d->err, REASON_INVALID_ARGUMENT, "must be a map with the fields of %s", desc->name);
        for (size_t i = 0; i < o->via.map.size; i++) {
                const msgpack_object_kv *kv = &o->via.map.ptr[i];
                const struct field_desc *f;
                size_t index;

                if (kv->key.type != MSGPACK_OBJECT_STR)
                        return error_set(d->err, REASON_INVALID_ARGUMENT, "a field's name in %s is not a str",
                                         desc->name);
                f = find_field(desc, begin, &kv->key);
                if (!f && d->lenient)
                        continue;
                if (!f)
                        return error_set(d->err, REASON_INVALID_ARGUMENT, "there is no field \"%.*s\" in %s",
                                         kv->key.via.str.size > 64 ? 64 : (int)kv->key.via.str.size,
                                         kv->key.via.str.ptr, desc->name);
                index = (size_t)(f - desc->fields);
                if (seen & UINT64_C(1) << index)
                        return error_set(d->err, REASON_INVALID_ARGUMENT, "%s: is there twice", f->name);
                seen |= UINT64_C(1) << index;
                begin = index + 1;
                if (decode_field(d, f, &kv->val, (char *)msg + f->offset) < 0)
                        return -1;
        }
        return message_complete(desc, msg, d->err);
}

static int decode_struct(struct decoder *d, const struct message_desc *desc, const msgpack_object *o, void **ret)
{
        void *msg = take(d, 1, desc->size);

        if (!msg || decode_message(d, desc, o, msg) < 0)
                return -1;
        *ret = msg;
        return 0;
}

static struct decoder decoder_init(struct arena *a, size_t len, struct error *err)
{
        return (struct decoder){ .arena = a, .budget = BUDGET_BASE + BUDGET_FACTOR * len, .err = err };
}

/* Only for what shape_check has accepted. */
static int build_tree(const void *data, size_t len, msgpack_unpacked *ret, struct error *err)
{
        size_t offset = 0;

        switch (msgpack_unpack_next(ret, data, len, &offset)) {
        case MSGPACK_UNPACK_SUCCESS:
                return 0;
        case MSGPACK_UNPACK_NOMEM_ERROR:
                return error_set(err, REASON_NO_RESOURCES, "no memory for a message");
        default:
                return error_set(err, REASON_MALFORMED, "the message is not msgpack");
        }
}

int message_decode(const struct message_desc *desc, const void *data, size_t len, struct arena *a, void **ret,
                   struct error *err)
{
        _cleanup_(msgpack_unpacked_destroy) msgpack_unpacked tree = { 0 };
        struct decoder d = decoder_init(a, len, err);

        if (shape_check(data, len, 0, err) < 0 || build_tree(data, len, &tree, err) < 0)
                return -1;
        return decode_struct(&d, desc, &tree.data, ret);
}

/* The message as an array of 4 of the wanted type; ret_items are its elements. */
static int decode_envelope(const void *data, size_t len, uint32_t type, size_t max_values, msgpack_unpacked *tree,
                           uint32_t *ret_id, const msgpack_object **ret_items, struct error *err)
{
        uint32_t found;

        if (shape_peek(data, len, &found, ret_id) < 0)
                return error_set(err, REASON_MALFORMED, "the message is not an array of type, id and two values");
        if (found != type)
                return error_set(err, REASON_MALFORMED, "the message is of type %" PRIu32 ", not %" PRIu32, found,
                                 type);
        if (shape_check(data, len, max_values, err) < 0 || build_tree(data, len, tree, err) < 0)
                return -1;
        *ret_items = tree->data.via.array.ptr;
        return 0;
}

int rpc_request_decode(const void *data, size_t len, struct arena *a, struct rpc_request *ret, struct error *err)
{
        _cleanup_(msgpack_unpacked_destroy) msgpack_unpacked tree = { 0 };
        struct decoder d = decoder_init(a, len, err);
        const msgpack_object *items, *name;
        char *copy;

        *ret = (struct rpc_request){ .method_name = "" };
        if (len > LIMIT_MESSAGE)
                return error_set(err, REASON_TOO_LARGE, "the message has %zu bytes, over the limit of %d", len,
                                 LIMIT_MESSAGE);
        if (decode_envelope(data, len, TYPE_REQUEST, LIMIT_REQUEST_VALUES, &tree, &ret->id, &items, err) < 0)
                return -1;
        name = &items[2];
        if (name->type != MSGPACK_OBJECT_STR || name->via.str.size > LIMIT_ID ||
            !text_valid(name->via.str.ptr, name->via.str.size))
                return error_set(err, REASON_MALFORMED, "the method's name is not a text of at most %d bytes",
                                 LIMIT_ID);
        copy = copy_bytes(&d, name->via.str.ptr, name->via.str.size);
        if (!copy)
                return -1;
        ret->method_name = copy;
        ret->method = method_find(copy);
        if (!ret->method)
                return error_set(err, REASON_UNKNOWN_METHOD, "there is no method \"%s\"", copy);
        if (decode_struct(&d, ret->method->params, &items[3], &ret->params) < 0)
                return error_wrap(err, "%s", copy);
        return 0;
}

int rpc_response_peek_id(const void *data, size_t len, uint32_t *ret_id)
{
        uint32_t type;

        return shape_peek(data, len, &type, ret_id) < 0 || type != TYPE_RESPONSE ? -1 : 0;
}

int rpc_response_decode(const void *data, size_t len, const struct method_desc *method, struct arena *a,
                        struct rpc_response *ret, struct error *err)
{
        _cleanup_(msgpack_unpacked_destroy) msgpack_unpacked tree = { 0 };
        struct decoder d = decoder_init(a, len, err);
        const struct wire_error *wire;
        const msgpack_object *items;
        void *decoded;

        d.lenient = true;
        *ret = (struct rpc_response){ .error = ERROR_NULL };
        if (decode_envelope(data, len, TYPE_RESPONSE, 0, &tree, &ret->id, &items, err) < 0)
                return -1;
        if (items[2].type == MSGPACK_OBJECT_NIL) {
                if (decode_struct(&d, method->result, &items[3], &ret->result) < 0)
                        return error_wrap(err, "answer of %s", method->name);
                return 0;
        }
        if (items[3].type != MSGPACK_OBJECT_NIL)
                return error_set(err, REASON_MALFORMED, "answer of %s: has both an error and a result", method->name);
        if (decode_struct(&d, &desc_wire_error, &items[2], &decoded) < 0)
                return error_wrap(err, "answer of %s: error", method->name);
        wire = decoded;
        ret->code = (int)wire->code;
        if (reason_parse(wire->reason) != REASON_NONE)
                error_set(&ret->error, (int)reason_parse(wire->reason), "%s", wire->message);
        else /* of a newer daemon */
                error_set(&ret->error, REASON_INTERNAL, "%s: %s", wire->reason, wire->message);
        return 0;
}
