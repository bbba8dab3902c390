/* SPDX-License-Identifier: Apache-2.0 */

/*
 * jansson holds integers in 64 bits with sign and refuses larger ones; but 18446744073709551615 is what every rlimit of
 * "infinity" looks like, and what v2 counters without a limit are printed as. So a document that is refused for such a
 * number is parsed again with those numbers written as reals.
 */

#include "daemon/spec_json.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

int spec_no_memory(struct error *err)
{
        return error_set(err, REASON_NO_RESOURCES, "no memory");
}

/* Copies an integer at text (of n bytes), with an exponent if it does not fit into 64 bits with sign. Returns its
 * length. */
static size_t copy_number(const char *text, size_t n, struct buf *ret)
{
        size_t len = 1;
        char digits[24];

        while (len < n && isdigit((unsigned char)text[len]))
                len++;
        buf_append(ret, text, len);
        if (len < n && strchr(".eE", text[len]))
                return len; /* a real already */
        if (len < sizeof(digits)) {
                memcpy(digits, text, len);
                digits[len] = '\0';
                errno = 0;
                strtoll(digits, NULL, 10);
                if (errno == 0)
                        return len;
        }
        buf_append(ret, "e0", 2);
        return len;
}

static size_t copy_string(const char *text, size_t n, struct buf *ret)
{
        size_t len = 1;

        while (len < n && text[len] != '"')
                len += text[len] == '\\' ? 2 : 1;
        len = len < n ? len + 1 : n;
        buf_append(ret, text, len);
        return len;
}

static json_t *load_with_reals(const char *text, size_t len, json_error_t *e)
{
        struct buf copy = BUF_NULL;
        json_t *value = NULL;
        bool in_number = false;

        for (size_t i = 0, n; i < len && !copy.failed; i += n) {
                char c = text[i];

                n = 1;
                if (c == '"')
                        n = copy_string(text + i, len - i, &copy);
                else if (!in_number && (c == '-' || isdigit((unsigned char)c)))
                        n = copy_number(text + i, len - i, &copy);
                else
                        buf_append(&copy, &c, 1);
                /* the fraction and exponent of a real are not integers */
                c = text[i + n - 1];
                in_number = isalnum((unsigned char)c) || c == '.' || c == '-' || c == '+';
        }
        if (!copy.failed)
                value = json_loadb((const char *)buf_head(&copy), buf_len(&copy), JSON_DECODE_ANY, e);
        buf_deinit(&copy);
        return value;
}

json_t *spec_load(const char *text, size_t len, enum reason reason, const char *what, struct error *err)
{
        const char *nul = len ? memchr(text, '\0', len) : NULL;
        json_error_t e;
        json_t *value;

        if (nul) { /* jansson reads over one behind a number */
                error_set(err, reason, "%s is not valid JSON: byte %zu is a NUL", what, (size_t)(nul - text) + 1);
                return NULL;
        }
        if (len > SPEC_MAX) {
                error_set(err, reason, "%s has %zu bytes: at most %d are allowed", what, len, SPEC_MAX);
                return NULL;
        }
        errno = 0;
        value = json_loadb(text, len, JSON_DECODE_ANY, &e);
        if (!value && json_error_code(&e) == json_error_numeric_overflow)
                value = load_with_reals(text, len, &e);
        if (!value && errno == ENOMEM) /* of malloc: jansson may call it wrong syntax */
                error_set(err, REASON_NO_RESOURCES, "no memory to read %s", what);
        else if (!value)
                error_set(err, reason, "%s is not valid JSON: line %d, column %d: %s", what, e.line, e.column,
                          text_clean(e.text, sizeof(e.text) - 1));
        return value;
}

static enum reason node_reason(const struct spec_node *node)
{
        while (node->parent)
                node = node->parent;
        return node->reason;
}

/* "config.json: linux.namespaces[2].type" */
static const char *node_path(const struct spec_node *node, char *buf, size_t size)
{
        size_t n;

        if (!node->parent) {
                snprintf(buf, size, "%s", node->name);
                return buf;
        }
        node_path(node->parent, buf, size);
        n = strlen(buf);
        if (!node->name)
                snprintf(buf + n, size - n, "%s[%zu]", node->parent->parent ? "" : ": ", node->index);
        else
                snprintf(buf + n, size - n, "%s%s", node->parent->parent ? "." : ": ", node->name);
        return text_clean(buf, size - 1);
}

#define NODE_PATH(node) node_path((node), (char[256]){ 0 }, 256)

/* The type, and of a scalar the value. */
static char *found_text(const json_t *v, char *buf, size_t size)
{
        if (!v) {
                snprintf(buf, size, "nothing");
                return buf;
        }
        switch (json_typeof(v)) {
        case JSON_STRING:
                snprintf(buf, size, "the string \"%.64s\"", json_string_value(v));
                break;
        case JSON_INTEGER:
                snprintf(buf, size, "the integer %" JSON_INTEGER_FORMAT, json_integer_value(v));
                break;
        case JSON_REAL:
                snprintf(buf, size, "the number %g", json_real_value(v));
                break;
        default:
                snprintf(buf, size, "%s",
                         json_is_object(v)  ? "an object"
                         : json_is_array(v) ? "an array"
                         : json_is_null(v)  ? "null"
                         : json_is_true(v)  ? "true"
                                            : "false");
        }
        return text_clean(buf, size - 1); /* a long string may have been cut within a character */
}

int spec_wrong_type(const struct spec_node *node, const char *expected, struct error *err)
{
        char found[128];

        return error_set(err, node_reason(node), "%s: expected %s, found %s", NODE_PATH(node), expected,
                         found_text(node->value, found, sizeof(found)));
}

int spec_missing(const struct spec_node *object, const char *name, const char *what, struct error *err)
{
        struct spec_node member = { .parent = object, .name = name };

        return error_set(err, node_reason(object), "%s: is missing or empty: expected %s", NODE_PATH(&member), what);
}

int spec_is_object(const struct spec_node *node, struct error *err)
{
        return json_is_object(node->value) ? 0 : spec_wrong_type(node, "an object", err);
}

struct spec_node spec_entry(const struct spec_node *array, size_t i)
{
        return (struct spec_node){ .parent = array, .index = i, .value = json_array_get(array->value, i) };
}

int spec_str(const struct spec_node *node, struct arena *a, const char **ret, struct error *err)
{
        if (!json_is_string(node->value))
                return spec_wrong_type(node, "a string", err);
        *ret = arena_strndup(a, json_string_value(node->value), json_string_length(node->value));
        return *ret ? 0 : spec_no_memory(err);
}

static struct spec_node member_of(const struct spec_node *object, const char *name)
{
        json_t *v = json_object_get(object->value, name);

        return (struct spec_node){ .parent = object, .name = name, .value = json_is_null(v) ? NULL : v };
}

int spec_get_object(const struct spec_node *object, const char *name, struct spec_node *ret, struct error *err)
{
        *ret = member_of(object, name);
        return ret->value && !json_is_object(ret->value) ? spec_wrong_type(ret, "an object", err) : 0;
}

int spec_get_array(const struct spec_node *object, const char *name, struct spec_node *ret, struct error *err)
{
        *ret = member_of(object, name);
        return ret->value && !json_is_array(ret->value) ? spec_wrong_type(ret, "an array", err) : 0;
}

int spec_get_str(const struct spec_node *object, const char *name, struct arena *a, const char **ret, struct error *err)
{
        struct spec_node member = member_of(object, name);

        *ret = "";
        return member.value ? spec_str(&member, a, ret, err) : 0;
}

int spec_get_bool(const struct spec_node *object, const char *name, bool *ret, struct error *err)
{
        struct spec_node member = member_of(object, name);

        *ret = json_is_true(member.value);
        return member.value && !json_is_boolean(member.value) ? spec_wrong_type(&member, "true or false", err) : 0;
}

int spec_get_int(const struct spec_node *object, const char *name, json_int_t min, json_int_t max, json_int_t *ret,
                 struct error *err)
{
        struct spec_node member = member_of(object, name);
        json_int_t value;
        char expected[96];

        if (!member.value)
                return 0;
        value = json_integer_value(member.value);
        if (!json_is_integer(member.value) || value < min || value > max) {
                if (min == INT64_MIN)
                        snprintf(expected, sizeof(expected), "an integer of 64 bits");
                else
                        snprintf(expected, sizeof(expected), "an integer from %" PRId64 " to %" PRId64, (int64_t)min,
                                 (int64_t)max);
                return spec_wrong_type(&member, expected, err);
        }
        *ret = value;
        return 0;
}

int spec_get_u64(const struct spec_node *object, const char *name, uint64_t *ret, struct error *err)
{
        struct spec_node member = member_of(object, name);
        double real;

        *ret = 0;
        if (!member.value)
                return 0;
        real = json_number_value(member.value);
        if (!json_is_number(member.value) || real < 0)
                return spec_wrong_type(&member, "a number that is not negative", err);
        if (json_is_integer(member.value))
                *ret = (uint64_t)json_integer_value(member.value);
        else
                *ret = real >= 18446744073709551615.0 ? UINT64_MAX : (uint64_t)real;
        return 0;
}
