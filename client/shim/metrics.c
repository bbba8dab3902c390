/* SPDX-License-Identifier: Apache-2.0 */

/* What the metrics of both versions have in common. */

#include "client/shim/metrics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void metrics_fill(void *ret, const struct metrics_counter *table, size_t n, const struct list_kv *values)
{
        for (size_t i = 0; i < values->n; i++)
                for (size_t k = 0; k < n; k++)
                        if (strcmp(values->items[i].key, table[k].name) == 0)
                                *(uint64_t *)(void *)((char *)ret + table[k].offset) =
                                        strtoull(values->items[i].value, NULL, 10);
}

static Metrics__RdmaEntry *rdma_entry(struct arena *a, const char *device, uint64_t handles, uint64_t objects)
{
        Metrics__RdmaEntry *m = arena_alloc(a, sizeof(*m));

        if (!m)
                return NULL;
        metrics__rdma_entry__init(m);
        m->device = (char *)device;
        m->hca_handles = handles < UINT32_MAX ? (uint32_t)handles : UINT32_MAX;
        m->hca_objects = objects < UINT32_MAX ? (uint32_t)objects : UINT32_MAX;
        return m;
}

int metrics_rdma(Metrics__RdmaStat **ret, const struct stats_result *s, struct arena *a)
{
        size_t n = s->rdma.n;
        Metrics__RdmaStat *m;

        if (n == 0)
                return 0;
        m = arena_alloc(a, sizeof(*m));
        if (!m)
                return -ENOMEM;
        metrics__rdma_stat__init(m);
        m->current = arena_alloc(a, n * sizeof(*m->current));
        m->limit = arena_alloc(a, n * sizeof(*m->limit));
        if (!m->current || !m->limit)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                const struct rdma_entry *e = &s->rdma.items[i];

                m->current[i] = rdma_entry(a, e->device, e->handles_current, e->objects_current);
                m->limit[i] = rdma_entry(a, e->device, e->handles_limit, e->objects_limit);
                if (!m->current[i] || !m->limit[i])
                        return -ENOMEM;
        }
        m->n_current = m->n_limit = n;
        *ret = m;
        return 0;
}

int metrics_network(Metrics__NetworkStat ***ret, size_t *ret_n, const struct stats_result *s, struct arena *a)
{
        Metrics__NetworkStat **all = arena_alloc(a, (s->network.n + 1) * sizeof(*all));

        if (!all)
                return -ENOMEM;
        for (size_t i = 0; i < s->network.n; i++) {
                Metrics__NetworkStat *m = arena_alloc(a, sizeof(*m));
                const struct net_entry *e = &s->network.items[i];

                if (!m)
                        return -ENOMEM;
                metrics__network_stat__init(m);
                m->name = (char *)e->name;
                m->rx_bytes = e->rx_bytes;
                m->rx_packets = e->rx_packets;
                m->rx_errors = e->rx_errors;
                m->rx_dropped = e->rx_dropped;
                m->tx_bytes = e->tx_bytes;
                m->tx_packets = e->tx_packets;
                m->tx_errors = e->tx_errors;
                m->tx_dropped = e->tx_dropped;
                all[i] = m;
        }
        *ret = all;
        *ret_n = s->network.n;
        return 0;
}
