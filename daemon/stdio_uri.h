/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a client wrote for one of stdin, stdout and stderr: a path, or a URI of one of three schemes. */

#include "proto/codec.h"

enum stdio_scheme {
        STDIO_NONE,   /* "" */
        STDIO_FIFO,   /* PATH or fifo://PATH */
        STDIO_FILE,   /* file://PATH */
        STDIO_BINARY, /* binary://PATH?key=value&... */
};

struct stdio_uri {
        enum stdio_scheme scheme;
        const char *path;  /* absolute; "" for STDIO_NONE */
        struct strs args;  /* STDIO_BINARY: key, value, key, value ... */
};

/* what: "stdout", for the message. Errors: UNKNOWN_STDIO, INVALID_ARGUMENT. A path without scheme is taken as it is; in
 * a URI %XX is decoded, and a fragment is dropped. Of a key that comes twice, the first value counts. */
int stdio_uri_parse(const char *text, const char *what, struct arena *a, struct stdio_uri *ret, struct error *err);
