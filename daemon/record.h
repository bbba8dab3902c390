/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Durable state: ROOT/state/OWNER/NS/ID/meta.json, written whole with rename at each transition. It holds all that is
 * needed to adopt the container, or to undo it. The structs below are messages like those of proto/messages.def, with
 * descriptions of their own, so that json.h can read and write them.
 *
 * The empty owner is the directory "_". A directory of a container also holds the daemon's private files for it (pid
 * files, logs of runtime commands, exec specs).
 */

#include "daemon/json.h"
#include "proto/codec.h"

#define RECORD_VERSION 2 /* a newer daemon reads older records; an older one refuses newer ones and touches nothing */
#define RECORD_MAX (16 * 1024 * 1024)

#define RECORD_MESSAGES(MESSAGE)                                                                                       \
        MESSAGE(record_command, "a runtime command in flight")                                                         \
        MESSAGE(record_request, "a request that is being carried out")                                                 \
        MESSAGE(record_answer, "a remembered answer")                                                                  \
        MESSAGE(record_process, "init or an added process")                                                            \
        MESSAGE(container_record, "a container")

#define FIELDS_record_command(F)                                                                                       \
        F(str, kind, LIMIT_ID, 0, "prepare, create, start, exec ...") F(str, exec_id, LIMIT_ID, 0, "for exec")         \
        F(u32, pid, 0, 0, "of the command") F(u64, start_time, 0, 0, "clock ticks since boot")                         \
        F(str, log, LIMIT_PATH, 0, "file name of its log in the container's directory")
#define FIELDS_record_request(F)                                                                                       \
        F(str, method, LIMIT_ID, REQUIRED, "wire name") F(u32, uid, 0, 0, "who asked")                                 \
        F(bin, params, LIMIT_JSON, 0, "encoded")
#define FIELDS_record_answer(F)                                                                                        \
        F(str, request_id, LIMIT_REQUEST_ID + 11, REQUIRED, "UID/ID as sent")                                          \
        F(str, method, LIMIT_ID, REQUIRED, "wire name")                                                                \
        F(u64, answered_at, 0, 0, "when") F(bin, data, LIMIT_JSON, 0, "encoded response")
#define FIELDS_record_process(F)                                                                                       \
        F(str, exec_id, LIMIT_ID, 0, "empty: init") F(str, state, LIMIT_ID, 0, "process state (added ones)")           \
        F(u32, pid, 0, 0, "host pid") F(u64, start_time, 0, 0, "clock ticks since boot")                               \
        F(u64, internal_pid, 0, 0, "pid inside a runsc sandbox")                                                       \
        F(boolean, in_sandbox, 0, 0, "only its sandbox tells of its end")                                              \
        F(u64, started_at, 0, 0, "when") F(u64, exited_at, 0, 0, "when")                                               \
        F(boolean, ended, 0, 0, "it has ended") F(boolean, start_published, 0, 0, "its start event is in the log")     \
        F(boolean, exit_published, 0, 0, "its exit event is in the log")                                               \
        F(boolean, exit_known, 0, 0, "the status below is true") F(u32, exit_status, 255, 0, "or 128 + signal") \
        F(u32, wait_status, 65535, 0, "as of wait(2)")                                                                 \
        F(bin, spec, LIMIT_JSON, 0, "added and not started: its process object")                                       \
        F(str, cause, LIMIT_TEXT, 0, "why") F(boolean, auto_remove, 0, 0, "as given")                                  \
        F(boolean, terminal, 0, 0, "as given") F(str, stdin_path, LIMIT_URI, 0, "as given")                            \
        F(str, stdout_path, LIMIT_URI, 0, "as given") F(str, stderr_path, LIMIT_URI, 0, "as given")                    \
        F(u32, io_uid, 0, 0, "as given") F(u32, io_gid, 0, 0, "as given")                                              \
        F(boolean, stdin_closed, 0, 0, "close_io was called")                                                          \
        F(u32, slot, 0, 0, "of its stored descriptors; 0: it has none")                                                \
        F(u64, pidfd_id, 0, 0, "inode") F(u64, terminal_id, 0, 0, "number of the pty, and 1")                          \
        F(u64, listener_id, 0, 0, "inode of the console socket") F(u64, stdin_id, 0, 0, "inode")                       \
        F(u64, stdout_id, 0, 0, "inode") F(u64, stderr_id, 0, 0, "inode") F(u64, control_id, 0, 0, "inode") \
        F(u64, stdout_pipe_id, 0, 0, "inode") F(u64, stderr_pipe_id, 0, 0, "inode")
#define FIELDS_container_record(F)                                                                                     \
        F(u32, version, 0, REQUIRED, "RECORD_VERSION") F(str, boot_id, LIMIT_ID, 0, "/proc/sys/kernel/random/boot_id") \
        F(msg_create_params, params, 0, 0, "as asked for")                                                             \
        F(str, state, LIMIT_ID, REQUIRED, "container state")                                                           \
        F(str, wanted, LIMIT_ID, 0, "what was asked for last: run, stopped, gone")                                     \
        F(u64, created_at, 0, 0, "when") F(str, sandbox, LIMIT_ID, 0, "pod")                                           \
        F(str, runtime_name, LIMIT_ID, 0, "as configured") F(str, runtime_path, LIMIT_PATH, 0, "binary in use")        \
        F(str, runtime_type, LIMIT_ID, 0, "driver") F(str, runtime_root, LIMIT_PATH, 0, "with the namespace")          \
        F(strs, runtime_options, LIMIT_OPTION, 0, "global arguments") F(str, rootfs, LIMIT_PATH, 0, "absolute path")   \
        F(str, cgroups_path, LIMIT_PATH, 0, "as the spec asks for it")                                                 \
        F(str, limits, LIMIT_OPTION, 0, "of linux.resources, as long as they were not verified")                       \
        F(boolean, mounted, 0, 0, "the rootfs mounts may be there") F(boolean, private_pid_ns, 0, 0, "see spec.h")     \
        F(boolean, made, 0, 0, "the runtime's create may have been run")                                               \
        F(boolean, create_published, 0, 0, "its create event is in the log")                                           \
        F(u64, event_seq, 0, 0, "newest event of the log when this was written")                                       \
        F(str, oom_text, LIMIT_TEXT, 0, "about the last OOM kill")                                                     \
        F(str, cgroup, LIMIT_PATH, 0, "path below the hierarchies")                                                    \
        F(boolean, oom_killed, 0, 0, "an OOM kill was seen")                                                           \
        F(u64, oom_count, 0, 0, "the kernel's oom_kill counter when last seen")                                        \
        F(msg_record_process, init, 0, 0, "the init process")                                                          \
        F(msgs_record_process, execs, LIMIT_LIST, 0, "added ones")                                                     \
        F(msgs_record_command, commands, LIMIT_LIST, 0, "in flight")                                                   \
        F(msgs_record_answer, answers, LIMIT_LIST, 0, "the latest")                                                    \
        F(msgs_record_request, requests, LIMIT_LIST, 0, "those that a repeat may ask for after a restart")

#define FIELD_C_msg_create_params(name) struct create_params *name;
#define FIELD_C_msg_record_process(name) struct record_process *name;
#define FIELD_C_msgs_record_process(name) struct list_record_process name;
#define FIELD_C_msgs_record_command(name) struct list_record_command name;
#define FIELD_C_msgs_record_answer(name) struct list_record_answer name;
#define FIELD_C_msgs_record_request(name) struct list_record_request name;
RECORD_MESSAGES(MESSAGE_C)
RECORD_MESSAGES(MESSAGE_DESC_DECL)

struct record_store; /* the state directory, its lock */

/* Opens (makes) ROOT, 0711, and its sub-directories 0700, and takes the lock: an fcntl(2) record lock (F_SETLK,
 * F_WRLCK, from 0 on) of ROOT/lock. Whoever acts on the state directory instead of the daemon takes the same one first.
 * -1 with ALREADY_EXISTS, and the pid that has it, if another daemon does. One store in a process: closing ROOT/lock
 * gives it up. */
int record_store_open(struct record_store **ret, const char *root, struct error *err);
struct record_store *record_store_free(struct record_store *s);
DEFINE_CLEANUP(struct record_store *, record_store_free)
const char *record_store_root(const struct record_store *s);

/* The directory of a container: makes it if `create`; a descriptor (O_PATH is not enough: openat is used below it), or
 * -1 with *err. */
int record_dir_open(struct record_store *s, const char *owner, const char *ns, const char *id, bool create,
                    struct error *err);
/* Its absolute path, in the arena. */
const char *record_dir_path(struct record_store *s, const char *owner, const char *ns, const char *id, struct arena *a);

/* Sets rec's version itself. On failure the file is what it was. */
int record_save(int dirfd, const struct container_record *rec, struct error *err);
/* Removes the container's directory with all in it (bounded work: only files that we make), and empty parents.
 * Idempotent. */
int record_remove(struct record_store *s, const char *owner, const char *ns, const char *id, struct error *err);

/* Calls fn for every container directory at start: rec is NULL and err set for one that cannot be read: CORRUPT
 * (truncated, damaged, a link, or the record of another container), NOT_SUPPORTED (of a newer version), NOT_FOUND
 * (there are files but no meta.json). A directory with nothing in it, made just before a crash, is removed without a
 * word. The arena belongs to fn's owner: record_each frees what fn does not take (by setting *a NULL). */
typedef void (*record_each_fn)(void *data, const char *owner, const char *ns, const char *id,
                               struct container_record *rec, struct arena **a, const struct error *err);
int record_each(struct record_store *s, record_each_fn fn, void *data, struct error *err);

/* Tombstones: answers of delete, and of create that failed, which outlive the container's directory; bounded (the
 * newest 1,024), in ROOT/tombstones/. */
int record_tombstone_save(struct record_store *s, const char *container_key, const struct record_answer *answer,
                          struct error *err);
typedef void (*record_tombstone_fn)(void *data, const char *container_key, const struct record_answer *answer);
int record_tombstone_each(struct record_store *s, record_tombstone_fn fn, void *data, struct error *err);
