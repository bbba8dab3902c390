/* SPDX-License-Identifier: Apache-2.0 */
#include "client/ctl/units.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/cleanup.h"

int parse_u64(const char *text, uint64_t max, uint64_t *ret)
{
        unsigned long long value;
        char *end;

        if (!isdigit((unsigned char)text[0]))
                return -EINVAL;
        errno = 0;
        value = strtoull(text, &end, 10);
        if (*end)
                return -EINVAL;
        if (errno == ERANGE || value > max)
                return -ERANGE;
        *ret = value;
        return 0;
}

/* A decimal number and what follows it. */
static int split(const char *text, double *ret, const char **ret_unit)
{
        size_t n = strspn(text, "0123456789.");
        char number[32], *end;

        if (n == 0 || n >= sizeof(number))
                return -EINVAL;
        memcpy(number, text, n);
        number[n] = '\0';
        *ret = strtod(number, &end);
        if (*end || end == number)
                return -EINVAL;
        *ret_unit = text + n + strspn(text + n, " ");
        return 0;
}

struct unit {
        const char *name;
        double factor;
};

static int scale(const char *text, const struct unit *units, double max, double *ret)
{
        const char *unit;
        double value;

        if (split(text, &value, &unit) < 0)
                return -EINVAL;
        for (; units->name; units++) {
                if (strcasecmp(units->name, unit) != 0)
                        continue;
                *ret = value * units->factor;
                return *ret > max ? -ERANGE : 0;
        }
        return -EINVAL;
}

int parse_size(const char *text, int64_t *ret)
{
        static const struct unit units[] = {
                { "", 1 },          { "b", 1 },
                { "k", 0x1p10 },    { "kb", 0x1p10 }, { "kib", 0x1p10 },
                { "m", 0x1p20 },    { "mb", 0x1p20 }, { "mib", 0x1p20 },
                { "g", 0x1p30 },    { "gb", 0x1p30 }, { "gib", 0x1p30 },
                { "t", 0x1p40 },    { "tb", 0x1p40 }, { "tib", 0x1p40 },
                { NULL, 0 },
        };
        double bytes;
        int r = scale(text, units, 0x1p62, &bytes);

        if (r == 0)
                *ret = (int64_t)bytes;
        return r;
}

int parse_cpus(const char *text, int64_t *ret_milli)
{
        static const struct unit units[] = { { "", 1000 }, { "m", 1 }, { NULL, 0 } };
        double milli;
        int r = scale(text, units, 1e9, &milli);

        if (r < 0)
                return r;
        if (milli < 10)
                return -ERANGE;
        *ret_milli = llround(milli);
        return 0;
}

int parse_duration(const char *text, int *ret_ms)
{
        static const struct unit units[] = { { "", 1e3 },   { "s", 1e3 },  { "ms", 1 },
                                             { "m", 60e3 }, { "h", 3600e3 }, { NULL, 0 } };
        double ms;
        int r = scale(text, units, 2e9, &ms);

        if (r == 0)
                *ret_ms = (int)llround(ms);
        return r;
}

int parse_signal(const char *text)
{
        uint64_t number;

        if (parse_u64(text, 64, &number) == 0)
                return number > 0 ? (int)number : -ERANGE;
        if (strncasecmp(text, "SIG", 3) == 0)
                text += 3;
        if (strncasecmp(text, "RTMIN+", 6) == 0 && parse_u64(text + 6, 30, &number) == 0)
                return SIGRTMIN + (int)number;
        if (strcasecmp(text, "RTMIN") == 0)
                return SIGRTMIN;
        for (int i = 1; i < 32; i++) {
                const char *name = sigabbrev_np(i);

                if (name && strcasecmp(name, text) == 0)
                        return i;
        }
        return -EINVAL;
}

const char *format_signal(int signal, char buf[UNITS_TEXT_MAX])
{
        const char *name = sigabbrev_np(signal);

        if (name)
                snprintf(buf, UNITS_TEXT_MAX, "%s", name);
        else
                snprintf(buf, UNITS_TEXT_MAX, "%d", signal);
        return buf;
}

static const char *const size_names[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };

const char *format_size(uint64_t bytes, char buf[UNITS_TEXT_MAX])
{
        double value = (double)bytes;
        size_t i = 0;

        while (value >= 1024 && i + 1 < ARRAY_SIZE(size_names)) {
                value /= 1024;
                i++;
        }
        snprintf(buf, UNITS_TEXT_MAX, i == 0 ? "%.0f %s" : "%.1f %s", value, size_names[i]);
        return buf;
}

const char *format_size_exact(uint64_t bytes, char buf[UNITS_TEXT_MAX])
{
        uint64_t value = bytes;
        size_t i = 0;

        while (value > 0 && value % 1024 == 0 && i + 1 < ARRAY_SIZE(size_names)) {
                value /= 1024;
                i++;
        }
        if (value >= 10240)
                return format_size(bytes, buf);
        snprintf(buf, UNITS_TEXT_MAX, "%llu %s", (unsigned long long)value, size_names[i]);
        return buf;
}

const char *format_age(uint64_t seconds, char buf[UNITS_TEXT_MAX])
{
        static const struct {
                uint64_t below, unit;
                const char *name;
        } steps[] = { { 120, 1, "s" }, { 7200, 60, "min" }, { 172800, 3600, "h" }, { UINT64_MAX, 86400, "d" } };
        size_t i = 0;

        while (seconds >= steps[i].below)
                i++;
        snprintf(buf, UNITS_TEXT_MAX, "%llu %s", (unsigned long long)(seconds / steps[i].unit), steps[i].name);
        return buf;
}
