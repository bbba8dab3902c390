/* SPDX-License-Identifier: Apache-2.0 */
/* For pids of the host the daemon sends only the pids: the rest is read here, from /proc. */
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fd.h"
#include "base/pidref.h"
#include "client/ctl/commands.h"

static void print_ticks(char *buf, size_t size, uint64_t ticks)
{
        uint64_t seconds = ticks / (uint64_t)sysconf(_SC_CLK_TCK);

        snprintf(buf, size, "%02u:%02u:%02u", (unsigned)(seconds / 3600), (unsigned)(seconds / 60 % 60),
                 (unsigned)(seconds % 60));
}

/* As ps(1): the arguments with spaces between, or [name] for one without. */
static void command_line(uint32_t pid, const struct proc_stat *stat, char *buf, size_t size)
{
        char path[64];
        ssize_t n;
        int fd;

        snprintf(path, sizeof(path), "/proc/%u/cmdline", pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        n = fd >= 0 ? read(fd, buf, size - 1) : -1;
        fd_close(fd);
        while (n > 0 && buf[n - 1] == '\0')
                n--;
        if (n <= 0) {
                snprintf(buf, size, "[%s]", stat->comm);
                return;
        }
        for (ssize_t i = 0; i < n; i++)
                buf[i] = buf[i] == '\0' || buf[i] == '\n' ? ' ' : buf[i];
        buf[n] = '\0';
}

static void tty_name(int tty, char *buf, size_t size)
{
        unsigned maj = major((dev_t)tty), min = minor((dev_t)tty);

        if (tty == 0)
                snprintf(buf, size, "?");
        else if (maj >= 136 && maj <= 143)
                snprintf(buf, size, "pts/%u", (maj - 136) * 256 + min);
        else
                snprintf(buf, size, "%u:%u", maj, min);
}

/* What is not in the row yet. false: the process has gone meanwhile. */
struct process_text {
        char stime[32], time[32], tty[32], cmd[512];
};
static bool fill(struct ps_row *row, struct process_text *text)
{
        uint64_t ticks = (uint64_t)sysconf(_SC_CLK_TCK), up_ns, age_ns, begin;
        struct timespec boot;
        struct proc_stat stat;
        struct stat st;
        char path[64];
        time_t seconds;
        struct tm tm;

        snprintf(path, sizeof(path), "/proc/%u", row->pid);
        if (proc_stat_read((pid_t)row->pid, &stat) < 0 || lstat(path, &st) < 0)
                return false;
        clock_gettime(CLOCK_BOOTTIME, &boot);
        up_ns = (uint64_t)boot.tv_sec * NSEC_PER_SEC + (uint64_t)boot.tv_nsec;
        begin = stat.start_time * (NSEC_PER_SEC / ticks);
        age_ns = up_ns > begin ? up_ns - begin : 0;
        seconds = (time_t)((clock_realtime_ns() - age_ns) / NSEC_PER_SEC);
        localtime_r(&seconds, &tm);
        strftime(text->stime, sizeof(text->stime), age_ns < 86400 * NSEC_PER_SEC ? "%H:%M" : "%b%d", &tm);
        print_ticks(text->time, sizeof(text->time), stat.utime + stat.stime);
        tty_name(stat.tty_nr, text->tty, sizeof(text->tty));
        command_line(row->pid, &stat, text->cmd, sizeof(text->cmd));
        row->uid = st.st_uid;
        row->ppid = (uint32_t)stat.ppid;
        row->cpu = age_ns > 0 ? (uint32_t)((stat.utime + stat.stime) * (NSEC_PER_SEC / ticks) * 100 / age_ns) : 0;
        row->stime = text->stime;
        row->time = text->time;
        row->tty = text->tty;
        row->cmd = text->cmd;
        return true;
}

static int print_ps(const struct ctl *ctl, const struct ps_result *ps)
{
        static const struct column columns[] = {
                { "UID" }, { "PID", .right = true }, { "PPID", .right = true }, { "C", .right = true },
                { "STIME" }, { "TTY" }, { "TIME" }, { "EXEC" }, { "CMD", .truncate = true },
        };
        struct table *t = ctl->format == FORMAT_TABLE ? table_new(columns, ARRAY_SIZE(columns), ctl->color) : NULL;
        bool first = true;

        if (ctl->format == FORMAT_JSON)
                putchar('[');
        for (size_t i = 0; i < ps->rows.n; i++) {
                struct ps_row row = ps->rows.items[i];
                struct process_text text;

                if (ps->host && !fill(&row, &text))
                        continue;
                if (ctl->format == FORMAT_JSON) {
                        fputs(first ? "\n  " : ",\n  ", stdout);
                        out_message(stdout, &desc_ps_row, &row, -1);
                        first = false;
                        continue;
                }
                if (!t)
                        continue;
                table_row(t);
                table_cell(t, "%u", row.uid);
                table_cell(t, "%u", row.pid);
                table_cell(t, "%u", row.ppid);
                table_cell(t, "%u", row.cpu);
                table_cell(t, "%s", row.stime);
                table_cell(t, "%s", row.tty[0] ? row.tty : "?");
                table_cell(t, "%s", row.time);
                table_cell(t, "%s", row.exec_id[0] ? row.exec_id : "-");
                table_cell(t, "%s", row.cmd);
        }
        if (ctl->format == FORMAT_TABLE)
                return ctl_print_table(ctl, t);
        printf("%s]\n", first ? "" : "\n");
        return 0;
}

static int run(struct ctl *ctl, const struct args *args)
{
        char id[LIMIT_ID + 1];
        struct target target = { .owner = ctl->owner, .ns = ctl->ns, .id = id };
        struct sandboxd_reply reply = SANDBOXD_REPLY_NULL;
        int status = ctl->failure;

        if (ctl_resolve(ctl, args->words[0], id) == 0 && ctl_call(ctl, METHOD_PS, &target, id, &reply) == 0)
                status = print_ps(ctl, reply.result);
        sandboxd_reply_clear(&reply);
        return status;
}

const struct verb verb_ps = {
        .name = "ps",
        .synopsis = "ID",
        .summary = "List the processes of a container.",
        .text = "For runc and crun the pids are the host's; for runsc they are those inside of the sandbox.",
        .min_args = 1,
        .max_args = 1,
        .word = WORD_ID,
        .run = run,
};
