/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the parts of the benchmark share: times of processes, series of measurements, programs to run, containers.
 *
 * Every part measures sandboxd and its peer in turns, in the same run on the same machine: so what else the machine
 * does hits both. Medians are given, and minima, which other load cannot make better.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include "client/client.h"
#include "client/methods.h"

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)
#define CALL_MS 60000 /* limit of one RPC */

struct bench {
        const char *socket;
        const char *dir; /* for scratch files, on a tmpfs */
        struct sandboxd_client *client;
        struct sandboxd_reply reply;
        pid_t daemon;
};

/* A runtime as a peer: its binary, and its global options. */
struct peer {
        const char *name;       /* in sandboxd's configuration */
        const char *path;       /* of the binary */
        const char *options[8]; /* NULL-terminated; --root included */
};

struct series {
        uint64_t *ns;
        size_t n, size;
};

/* --- util.c --- */
void die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
uint64_t now_ns(void);
/* CPU time of all threads of a process, by the scheduler's count. */
uint64_t cpu_ns(pid_t pid);
/* Voluntary context switches of all threads of a process: each is a wake-up. */
uint64_t wakeups(pid_t pid);
void nap_ms(unsigned ms);

void series_add(struct series *s, uint64_t ns);
uint64_t series_at(struct series *s, double fraction); /* 0: minimum, 0.5: median */
void series_free(struct series *s);

/* Prints a row of the table: ours and the peer's, median and (minimum), what is above, and the ratio of the medians. */
void row_pair(const char *what, struct series *ours, struct series *peer);
void row_text(const char *what, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Runs a program with /dev/null as its descriptors and waits for it; dies if it fails, unless may_fail. */
void run(const char *const *argv, bool may_fail);
pid_t run_begin(const char *const *argv, const char *stdout_path);
void run_end(pid_t pid, const char *name, bool may_fail);
/* The runtime's command line, with its options. */
void peer_run(const struct peer *p, bool may_fail, ...) __attribute__((sentinel));
void peer_start(const struct peer *p, const char *bundle, const char *id);
void write_file(const char *path, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
uint64_t read_number(const char *path);
/* Waits for a process that is not a child, or is one, and reaps it then. */
void wait_gone(pid_t pid);

/* --- calls that must succeed --- */
void call(struct bench *b, int method, const void *params);
uint32_t create_start(struct bench *b, const char *runtime, const char *id, const char *bundle,
                      const char *stdout_path);
void stop_delete(struct bench *b, const char *id);
void wait_delete(struct bench *b, const char *id);

/* --- the parts; arguments are those after the part's name --- */
void bench_rpc(struct bench *b, int argc, char **argv);
void bench_stats(struct bench *b, int argc, char **argv);
void bench_life(struct bench *b, int argc, char **argv);
void bench_exec(struct bench *b, int argc, char **argv);
void bench_ops(struct bench *b, int argc, char **argv);
void bench_fleet(struct bench *b, int argc, char **argv);
void bench_idle(struct bench *b, int argc, char **argv);
void bench_adopt(struct bench *b, int argc, char **argv);
void bench_fifo(struct bench *b, int argc, char **argv);
void bench_gvisor(struct bench *b, int argc, char **argv);

/* Parses RUNTIME PATH ROOT from the arguments. */
struct peer peer_from(int argc, char **argv);
