/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libsandboxd-client: calls to sandboxd over its socket.
 *
 * A client is one connection, made when it is first needed and made again when it is lost. It has one descriptor, no
 * threads, no signal handlers, no state outside of the object. A call is a method and its parameters; the answer is a
 * result or an error. <sandboxd/methods.h> has the methods, a struct for the parameters and the result of each, and one
 * typed function per method, such as
 *
 *      struct sandboxd_client *c = sandboxd_client_new(NULL);
 *      struct sandboxd_target params = { .id = "web" };
 *      struct sandboxd_reply reply = SANDBOXD_REPLY_NULL;
 *      const struct sandboxd_state_result *state = sandboxd_state(c, &params, 5000, &reply);
 *
 *      if (state)
 *              printf("%s: pid %u\n", state->process->status, state->process->pid);
 *      else
 *              fprintf(stderr, "%s (%s)\n", reply.message, sandboxd_reason_name(reply.reason));
 *      sandboxd_reply_clear(&reply);
 *      sandboxd_client_free(c);
 *
 * Parameters. A field that is zero (NULL, 0, false, an empty list) is not sent; the daemon then uses its default. The
 * structs and what they point to are only read, and only during the function that gets them.
 *
 * Lost connections. When the daemon goes away, all calls without an answer wait; the library connects again, at once,
 * then after 1 ms, and so on up to every 100 ms, and sends them again. So that the daemon does not do twice what it has
 * done already, each request that changes something carries a request id, and a repeated one is given the first answer.
 * The library makes a random one, unless `request_id` is set: set it to make a call repeatable across processes.
 *
 * Errors. A call fails with a reason (enum sandboxd_reason, finer) and a code (gRPC's 16). Most come from the daemon.
 * The library's own are: deadline (the time given is over; whether the daemon did it is not known), unavailable (no
 * connection for as long as sandboxd_client_set_patience() says, or until the deadline), permission (the socket may not
 * be opened), too-large (a request of more than 8 MiB, never sent), invalid-argument (not a method, or parameters that
 * cannot be sent), no-resources (no memory or descriptors), internal (the peer does not speak this protocol).
 *
 * Time is in milliseconds of the monotonic clock, -1 means without limit. Times in messages are nanoseconds since
 * 1970-01-01 UTC.
 *
 * Threads. Different clients are independent. One client is used by one thread at a time.
 */
#ifndef SANDBOXD_CLIENT_H
#define SANDBOXD_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SANDBOXD_SOCKET_DEFAULT "/run/sandboxd/sandboxd.sock"

struct sandboxd_client;

/* Makes a client for the socket at `path` (NULL: SANDBOXD_SOCKET_DEFAULT). Does not connect. Returns NULL with errno
 * ENOMEM or ENAMETOOLONG (more than 107 bytes). */
struct sandboxd_client *sandboxd_client_new(const char *path);

/* Closes the connection and forgets the open calls: their callbacks are not called. NULL is fine. Returns NULL. */
struct sandboxd_client *sandboxd_client_free(struct sandboxd_client *c);

/* For how long calls wait for a connection before they fail with `unavailable`, counted from the loss of the last
 * one, or from the first call that needed one. 0: one try. -1: as long as their own deadlines let them. Default: 2000.
 */
void sandboxd_client_set_patience(struct sandboxd_client *c, int ms);

/* The answer to a call. Owns what it points to, until sandboxd_reply_clear(). */
struct sandboxd_reply {
        int reason;          /* 0: success; else of enum sandboxd_reason */
        int code;            /* 0: success; else of enum sandboxd_code */
        const char *message; /* of an error, for people: what was wanted, what was found, what to do. Success: "" */
        const void *result;  /* success: the method's result; else NULL. Strings in it are never NULL */
        void *memory;        /* private */
};
#define SANDBOXD_REPLY_NULL { 0, 0, "", NULL, NULL }

/* Frees what the reply points to and sets it to SANDBOXD_REPLY_NULL. */
void sandboxd_reply_clear(struct sandboxd_reply *reply);

/* --- the blocking form --- */

/*
 * Calls `method` (enum sandboxd_method) and waits for the answer, at most timeout_ms. `params` points to the method's
 * struct of parameters (NULL: nothing set). *reply must be SANDBOXD_REPLY_NULL or hold an earlier answer, which is
 * cleared. Returns 0, or -1 on an error, which is in *reply. Callbacks of calls that are open besides run from inside
 * it. Not to be used from a callback.
 */
int sandboxd_call(struct sandboxd_client *c, int method, const void *params, int timeout_ms,
                  struct sandboxd_reply *reply);

/* --- the form for a program with a loop of its own --- */

/*
 * After every other function of the library (they may change all three), and before it sleeps, the program asks for
 *      sandboxd_client_fd()       the descriptor to watch, or -1: none now
 *      sandboxd_client_events()   the poll(2) events to watch it for
 *      sandboxd_client_timeout()  in how many milliseconds at most to call process; -1: no need to
 * and calls sandboxd_client_process() with what poll(2) said (0 when only the time is over). Nothing else blocks,
 * connects, sends, receives or calls callbacks. Between a descriptor and the next, which may have the same number, fd()
 * is -1 at least once: so a loop that keeps registrations need only compare numbers. An idle client has no timeout.
 */
int sandboxd_client_fd(const struct sandboxd_client *c);
short sandboxd_client_events(const struct sandboxd_client *c);
int sandboxd_client_timeout(const struct sandboxd_client *c);
void sandboxd_client_process(struct sandboxd_client *c, short revents);

/*
 * The end of a call, called once from sandboxd_client_process() or sandboxd_call(), never from sandboxd_submit(). The
 * reply is cleared afterwards; to keep it, copy the struct and set the original to SANDBOXD_REPLY_NULL. A callback may
 * submit and cancel; it may not free the client, process, or make blocking calls on it.
 */
typedef void (*sandboxd_reply_fn)(void *data, struct sandboxd_reply *reply);

/*
 * Starts a call. Any number may be open at once; they are answered in any order. Returns its number, never 0, or 0 with
 * errno ENOMEM; every other error is told to `fn`.
 */
uint64_t sandboxd_submit(struct sandboxd_client *c, int method, const void *params, int timeout_ms,
                         sandboxd_reply_fn fn, void *data);

/* Forgets a call: `fn` is not called. What the daemon has begun, it finishes. An unknown or ended number is fine. */
void sandboxd_cancel(struct sandboxd_client *c, uint64_t call);

/* How many calls are open. */
unsigned sandboxd_client_open_calls(const struct sandboxd_client *c);

/* --- names --- */
const char *sandboxd_reason_name(int reason); /* as "not-found"; "internal" for an unknown one */
const char *sandboxd_method_name(int method); /* as "events.read"; NULL for an unknown one */
const char *sandboxd_version(void);           /* of the library */

#ifdef __cplusplus
}
#endif
#endif
