/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The bounds of everything that crosses a socket. */

#define LIMIT_ID 76                     /* bytes of an id, namespace, owner or exec id */
#define LIMIT_KEY (3 * LIMIT_ID + 2)    /* bytes of "owner/namespace/id" */
#define LIMIT_PATH 4095                 /* bytes of a path */
#define LIMIT_URI 8191                  /* bytes of a stdio URI */
#define LIMIT_TEXT 4096                 /* bytes of a message for people */
#define LIMIT_REQUEST_ID 128            /* bytes of a request id */
#define LIMIT_JSON (4 * 1024 * 1024)    /* bytes of a process spec or of resources */
#define LIMIT_DUMP (3 * 1024 * 1024)    /* bytes of what is told for debugging */
#define LIMIT_LIST 4096                 /* entries of a list in a request */
#define LIMIT_OPTION 65536              /* bytes of one mount option (an overlay's lowerdir is long) */
#define LIMIT_DEPTH 8                   /* nesting of maps and arrays */
#define LIMIT_MESSAGE (8 * 1024 * 1024) /* bytes of one message: the server's receive limit */
#define LIMIT_EVENTS_MAX 1000           /* events in one answer of events.read */
#define LIMIT_REQUEST_VALUES 262144     /* values (numbers, texts, lists, maps) in one request */
