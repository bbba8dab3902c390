/* SPDX-License-Identifier: Apache-2.0 */

#include "client/shim/json.h"

#include <jansson.h>
#include <string.h>

char *json_text_of(const char *document, size_t len, const char *object, const char *name)
{
        json_t *root = json_loadb(document, len, 0, NULL);
        const json_t *at = object[0] ? json_object_get(root, object) : root;
        const char *text = json_string_value(json_object_get(at, name));
        char *ret = text ? strdup(text) : NULL;

        json_decref(root);
        return ret;
}
