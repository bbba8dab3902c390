/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The few texts that the stub wants of a JSON document. */

#include <stddef.h>

/* The text of a member of the object `object` ("": of the document itself). NULL: there is none, or it is no text, or
 * the document is no JSON. The caller frees it. */
char *json_text_of(const char *document, size_t len, const char *object, const char *name);
