/* SPDX-License-Identifier: Apache-2.0 */
#include "client/ctl/stats_pages.h"

#include <stdlib.h>
#include <string.h>

void stats_pages_clear(struct stats_pages *p)
{
        for (size_t i = 0; i < p->n; i++)
                sandboxd_reply_clear(&p->replies[i]);
        free(p->replies);
        free(p->all.containers.items);
        *p = (struct stats_pages){ 0 };
}

static void append(struct stats_pages *p, const struct stats_all_result *page)
{
        size_t n = p->all.containers.n + page->containers.n;
        struct stats_result *items = realloc(p->all.containers.items, (n + 1) * sizeof(*items));

        if (!items)
                abort();
        if (page->containers.n)
                memcpy(items + p->all.containers.n, page->containers.items, page->containers.n * sizeof(*items));
        p->all.containers.items = items;
        p->all.containers.n = n;
        p->all.took_ns += page->took_ns;
        p->all.next = "";
}

int ctl_stats_all(struct ctl *ctl, const struct stats_all_params *params, struct stats_pages *ret)
{
        struct stats_all_params x = *params;
        const struct stats_all_result *page = NULL;

        *ret = (struct stats_pages){ 0 };
        do {
                struct sandboxd_reply *more = realloc(ret->replies, (ret->n + 1) * sizeof(*more));

                if (!more)
                        abort();
                ret->replies = more;
                ret->replies[ret->n] = (struct sandboxd_reply)SANDBOXD_REPLY_NULL;
                if (ctl_call(ctl, METHOD_STATS_ALL, &x, NULL, &ret->replies[ret->n++]) < 0) {
                        stats_pages_clear(ret);
                        return -1;
                }
                page = ret->replies[ret->n - 1].result;
                append(ret, page);
                x.after = page->next;
        } while (*page->next);
        return 0;
}
