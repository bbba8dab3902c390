/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Limits of block I/O. v1 has a file for each kind of limit, with a line "major:minor value" for each device; v2 has
 * them in one line of io.max. A weight is BFQ's, or that of the older or newer scheduler beside it: whichever files
 * there are, one of them must have it. v2's io.weight goes from 1 to 10000, to which runtimes stretch the 10 to 1000 of
 * the spec.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/cgparse.h"
#include "daemon/stats_verify.h"

static const struct {
        const char *v1, *v2_key;
} files[] = {
        [IO_READ_BPS] = { "blkio.throttle.read_bps_device", "rbps" },
        [IO_WRITE_BPS] = { "blkio.throttle.write_bps_device", "wbps" },
        [IO_READ_IOPS] = { "blkio.throttle.read_iops_device", "riops" },
        [IO_WRITE_IOPS] = { "blkio.throttle.write_iops_device", "wiops" },
};

static const struct weight_file {
        const char *all, *device; /* the file of one number, and that with a line for each device */
        bool v2, stretched;
} weight_files[] = {
        { "blkio.weight", "blkio.weight_device", false, false },
        { "blkio.bfq.weight", "blkio.bfq.weight_device", false, false },
        { "io.bfq.weight", "io.bfq.weight", true, false },
        { "io.weight", "io.weight", true, true },
};

static int verify_device(struct verify *v, const struct spec_io_limit *x)
{
        bool v2 = v->cg && cgroup_is_v2(v->cg, CG_BLKIO);
        const char *file = v2 ? "io.max" : files[x->kind].v1, *key = v2 ? files[x->kind].v2_key : "";
        uint64_t found = 0;
        char want[96];

        (void)snprintf(want, sizeof(want), "%" PRIu64 ":%" PRIu64 " %s%s%" PRIu64, x->major, x->minor, key,
                       *key ? "=" : "", x->value);
        if (verify_load(v, CG_BLKIO, file, want) < 0)
                return -1;
        if (cg_find_device(v->text, x->major, x->minor, key, &found) && found == x->value)
                return 0;
        return verify_differs(v, CG_BLKIO, file, want);
}

static uint64_t stretched(uint64_t weight)
{
        return weight < 10 ? 1 : 1 + (weight - 10) * 9999 / 990;
}

/* What a file of one number says: "100", or "default 100" with lines for devices behind it. */
static bool read_weight(const char *text, uint64_t *ret)
{
        char word[32];

        return cg_find(text, "default", ret) ||
               (sscanf(text, "%31[0-9]", word) == 1 && cg_u64(word, ret) == 0);
}

/* x NULL: of all devices. */
static int verify_weight(struct verify *v, const struct spec_io_limit *x)
{
        uint64_t weight = x ? x->value : v->limits->io_weight, found;
        bool v2 = v->cg && cgroup_is_v2(v->cg, CG_BLKIO);
        const char *last = v2 ? "io.weight" : "blkio.weight";
        char want[64];

        (void)snprintf(want, sizeof(want), "weight %" PRIu64, weight);
        if (x)
                (void)snprintf(want, sizeof(want), "%" PRIu64 ":%" PRIu64 " weight %" PRIu64, x->major, x->minor,
                               weight);
        for (size_t i = 0; i < ARRAY_SIZE(weight_files); i++) {
                const char *file = x ? weight_files[i].device : weight_files[i].all;

                if (weight_files[i].v2 != v2 || !verify_has_file(v, CG_BLKIO, file))
                        continue;
                last = file;
                if (verify_load(v, CG_BLKIO, file, want) < 0)
                        return -1;
                if ((x ? cg_find_device(v->text, x->major, x->minor, "", &found) : read_weight(v->text, &found)) &&
                    found == (weight_files[i].stretched ? stretched(weight) : weight))
                        return 0;
        }
        return verify_load(v, CG_BLKIO, last, want) < 0 ? -1 : verify_differs(v, CG_BLKIO, last, want);
}

int verify_io(struct verify *v)
{
        const struct spec_limits *l = v->limits;

        for (size_t i = 0; i < l->n_io; i++)
                if ((l->io[i].kind == IO_WEIGHT ? verify_weight(v, &l->io[i]) : verify_device(v, &l->io[i])) < 0)
                        return -1;
        return l->io_weight ? verify_weight(v, NULL) : 0;
}
