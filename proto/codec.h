/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * msgpack <-> structs, driven by the descriptions of proto.h; the only file that uses the msgpack library.
 *
 * The wire follows the MessagePack-RPC convention: request [0, id, method, params], response [1, id, error, result],
 * where params and result are maps from field name to value and error is nil or the map {code, reason, message}. The
 * encoder omits fields with their zero value. The decoder refuses: what is not such a message, unknown or repeated
 * fields, wrong types, text that is not UTF-8 or holds NUL, values over their limits, nesting deeper than LIMIT_DEPTH,
 * trailing bytes, and absent REQUIRED fields; each with a message that names the field. Its memory is bounded by a
 * small multiple of the input's size, whatever lengths the input claims.
 */

#include "base/buf.h"
#include "proto/proto.h"

/* Memory that is freed in one go. Zeroed. */
struct arena;
struct arena *arena_new(void); /* NULL: no memory */
struct arena *arena_free(struct arena *a);
DEFINE_CLEANUP(struct arena *, arena_free)
void *arena_alloc(struct arena *a, size_t size);              /* NULL: no memory */
char *arena_strdup(struct arena *a, const char *s);           /* NULL: no memory */
char *arena_strndup(struct arena *a, const char *s, size_t n);
size_t arena_size(const struct arena *a); /* bytes taken from the heap */
char *arena_printf(struct arena *a, const char *fmt, ...) _printf_(2, 3);

struct rpc_request {
        uint32_t id;
        const char *method_name;          /* as sent; "" if the message could not be read that far */
        const struct method_desc *method; /* NULL: unknown */
        void *params;                     /* struct of method->params */
};
/* Returns 0, or -1 with *err. Also after a failure id is what could be read of it (0 if nothing), so that the error can
 * be sent. */
int rpc_request_decode(const void *data, size_t len, struct arena *a, struct rpc_request *ret, struct error *err);
int rpc_request_encode(uint32_t id, const struct method_desc *method, const void *params, struct buf *ret,
                       struct error *err);

struct rpc_response {
        uint32_t id;
        struct error error; /* reason REASON_NONE: success */
        int code;           /* gRPC code as sent */
        void *result;       /* success: struct of method->result */
};
int rpc_response_encode(uint32_t id, const struct message_desc *desc, const void *result, struct buf *ret,
                        struct error *err);
int rpc_response_encode_error(uint32_t id, const struct error *error, struct buf *ret);
/* Reads only the id, to find the method that was called. */
int rpc_response_peek_id(const void *data, size_t len, uint32_t *ret_id);
/* Fields that are not known are passed over: a front or client may be older than the daemon. */
int rpc_response_decode(const void *data, size_t len, const struct method_desc *method, struct arena *a,
                        struct rpc_response *ret, struct error *err);

/* One message as a bare map: for records and the event log. Trailing bytes are refused. */
int message_encode(const struct message_desc *desc, const void *msg, struct buf *ret, struct error *err);
int message_decode(const struct message_desc *desc, const void *data, size_t len, struct arena *a, void **ret,
                   struct error *err);
/* A deep copy into an arena; NULL: no memory. Sets absent str to "". */
void *message_copy(const struct message_desc *desc, const void *msg, struct arena *a);
