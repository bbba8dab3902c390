#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What systemd is for sandboxd-keeper, where there is none: started instead of the keeper, with the same arguments, it
starts that, and starts it again whenever it dies, with the descriptors that it has stored (NOTIFY_SOCKET, FDSTORE=1,
FDSTOREREMOVE=1, LISTEN_FDS, LISTEN_FDNAMES; as systemd 252: in reverse order). It is the parent of all orphans, reaps
them at once, and tells nobody. TERM is handed on; it ends as the keeper ends in order.

MANAGER_DIR: its directory. There it has `notify`, its socket; `keeper`, the pid of the keeper that runs now; and
`stored`, the names of what it has, whenever that changes. MANAGER_KEEPER: the program."""

import array
import ctypes
import fcntl
import os
import select
import signal
import socket
import struct
import sys

PR_SET_CHILD_SUBREAPER = 36
directory = os.environ["MANAGER_DIR"]
program = os.environ["MANAGER_KEEPER"]
store = []  # (name, descriptor)
keeper = 0
stopping = False
told = None


def write(name, value):
    path = os.path.join(directory, name)
    with open(path + ".new", "w") as f:
        f.write(f"{value}\n")
    os.rename(path + ".new", path)


def start():
    global keeper
    stored = store[::-1]
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    pid = os.fork()
    if pid > 0:
        keeper = pid
        write("keeper", keeper)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        return
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    end = 3 + len(stored)
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, end) for _, fd in stored]  # none is in the way of another
    for i, fd in enumerate(high):
        os.dup2(fd, 3 + i)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MANAGER_", "LISTEN_"))}
    env["NOTIFY_SOCKET"] = os.path.join(directory, "notify")
    if stored:
        names = ":".join(name for name, _ in stored)
        env.update(LISTEN_FDS=str(len(stored)), LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES=names)
    os.execve(program, [program] + sys.argv[1:], env)


def receive(sock):
    """One datagram of the keeper; False: there is none."""
    try:
        room = socket.CMSG_SPACE(12) + socket.CMSG_SPACE(4 * 253)
        text, control, _, _ = sock.recvmsg(4096, room, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    fds, sender = array.array("i"), 0
    for _, kind, data in control:
        if kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
        elif kind == socket.SCM_CREDENTIALS:
            sender = struct.unpack("iII", data)[0]
    lines = dict(line.split("=", 1) for line in text.decode().splitlines() if "=" in line)
    name = lines.get("FDNAME", "stored")
    if sender == keeper and lines.get("FDSTOREREMOVE") == "1":
        for entry in [e for e in store if e[0] == name]:
            os.close(entry[1])
            store.remove(entry)
    for fd in fds:
        if sender == keeper and lines.get("FDSTORE") == "1":
            store.append((name, fd))
        else:
            os.close(fd)
    return True


def stop(*_):
    global stopping
    stopping = True
    if keeper > 0:
        os.kill(keeper, signal.SIGTERM)


def drain(sock):
    global told
    while receive(sock):
        pass
    names = " ".join(sorted(name for name, _ in store))
    if told != names:
        told = names
        write("stored", names)


def reap():
    """Returns the wait status of the keeper, if it is among them."""
    status = None
    try:
        while True:
            pid, ended = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return status
            if pid == keeper:
                status = ended
    except ChildProcessError:
        return status


def main():
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    os.makedirs(directory, exist_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    sock.bind(os.path.join(directory, "notify"))
    read_end, write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(write_end)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, stop)
    start()
    while True:
        select.select([sock, read_end], [], [])
        try:
            os.read(read_end, 4096)
        except BlockingIOError:
            pass
        drain(sock)
        status = reap()
        if status is None:
            continue
        drain(sock)  # what it has sent just before it died
        status = os.waitstatus_to_exitcode(status)
        if stopping or status in (0, 2):
            os.unlink(os.path.join(directory, "notify"))
            sys.exit(status if status >= 0 else 128 - status)
        start()


main()
