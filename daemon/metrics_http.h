/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The little of HTTP/1 that whoever scrapes metrics needs: GET /metrics, and what to say to all else. */

#include <stddef.h>

#define HTTP_HEAD_MAX 8192 /* bytes of a request's head */

/* Looks at what has come of a request. 0: more is needed; 200: the metrics are wanted; else the status to refuse it
 * with. What comes behind the head is not looked at. */
unsigned http_request_status(const void *data, size_t len);
const char *http_status_text(unsigned status);
