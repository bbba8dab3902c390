# SPDX-License-Identifier: Apache-2.0
"""The contract of a shim, case by case, against containerd-shim-sandboxd-v1 and the sandboxd that SANDBOXD_SOCKET names.
usage: shim_cases.py DIRECTORY NAMESPACE RUNTIME [CASE...]; ROOTFS is a root filesystem with busybox. Prints `ok NAME`, `not ok NAME`."""
import contextlib, ctypes, json, os, resource, signal, socket, struct, subprocess, sys, threading, time, traceback, zlib
from pathlib import Path
from shim_client import *

TOP, NS, RUNTIME, *CHOSEN = sys.argv[1:]
CASES, OTHERS, EVENTS = [], [], None
IDLE = ["sleep", "1000"]


def ok(good, name):
    print(("ok " if good else "not ok ") + name, flush=True)


def equal(got, wanted, name):
    ok(got == wanted, name)
    if got != wanted:
        print(f"# got {str(got)[:600]!r}, wanted {str(wanted)[:600]!r}", flush=True)


def refusal(got, code, words, name):
    equal((got[0], words if words in got[1] else got[1]), (code, words), name)


def case(function):
    CASES.append(function)
    return function


def chosen_only(function):
    OTHERS.append(function)
    return function


def bundle(name, args, spec=None, **more):
    return Bundle(TOP, f"{name}-{RUNTIME}-{os.getpid()}", args, spec, NS, RUNTIME, **more)


def pid_exists(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # it may go while it is looked at
        return False


PRIVATE = {"linux.namespaces": [{"type": t} for t in ("mount", "pid", "ipc", "uts", "network")]}


@case
def start_and_delete():
    with bundle("forms", IDLE) as b:
        done = b.shim("start", data=b.params())  # its end of output: no process of ours has inherited it
        answer = decode(done.stdout)
        equal((number(answer, 1), text(answer, 3), done.stderr), (3, "ttrpc", b""), "start answers BootstrapParams with a BootstrapResult")
        address = text(answer, 2)
        again = b.shim("start", data=b.params())
        equal(again.stdout, done.stdout, "start again: the same")
        plain = b.shim("start")
        equal(plain.stdout.decode(), address, "without parameters: the address alone")
        asked = b.shim("start", data=json.dumps({"instance_id": b.id, "namespace": b.ns}).encode())
        equal(json.loads(asked.stdout), {"version": 3, "address": address, "protocol": "ttrpc"}, "parameters as JSON: JSON")
        unknown = b.shim("start", data=encode({1: "some.unknown.Options", 2: b"\xff\xfe"}))
        equal(unknown.stdout, plain.stdout, "options of an unknown type are no error")
        b.connection = Connection(address)
        refusal(b.refused("State"), NOT_FOUND, "", "no task is known before Create")
        equal(b.refused("Shutdown"), (0, ""), "Shutdown without a task")
        for i in range(2):
            done = b.delete_command()
            response = decode(done.stdout)
            equal((done.returncode, number(response, 2)), (0, 137), f"delete of an unknown container, time {i + 1}")
        for version in ("-v", "-version"):
            done = subprocess.run(["containerd-shim-sandboxd-v1", version], capture_output=True, check=False)
            ok(done.returncode == 0 and done.stdout, version)


def receive_sp(sock):
    """A request of SP over IPC: its number, its body."""
    size = struct.unpack(">Q", receive(sock, 9)[1:])[0]
    data = receive(sock, size)
    return data[:4], data[4:]


@chosen_only
def older_sandboxd():
    """One that does not know all that start tells it, for it was not reloaded since an upgrade."""
    path, asked = TOP + "/older.sock", []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1)

    def serve():
        sock = listener.accept()[0]
        receive(sock, 8)
        sock.sendall(b"\0SP\0\0\x31\0\0")
        with contextlib.suppress(EOFError, OSError):
            while True:
                number, body = receive_sp(sock)
                asked.append(body)
                message = body[:body.index(b"owner.attach") - 1][2:]  # its number, as it is packed
                refused = b"\xa9oom_score" in body
                error = b"\x83\xa4code\x03\xa6reason\xb0invalid-argument\xa7message\xa5field\xc0"
                answer = b"\x94\x01" + message + (error if refused else b"\xc0\x81\xa7address\xab/some/front")
                sock.sendall(b"\x01" + struct.pack(">Q", 4 + len(answer)) + number + answer)
    threading.Thread(target=serve, daemon=True).start()
    with bundle("older", IDLE, events=EVENTS.path) as b:
        b.more_env = {"SANDBOXD_SOCKET": path}
        done = b.shim("start")
        equal((done.returncode, done.stdout), (0, b"unix:///some/front"), "start goes on with a sandboxd that refuses what it does not know")
        equal((len(asked), b"ttrpc_address" in asked[-1]), (2, True), "it is asked again for what all know")
        b.more_env = {}
    listener.close()
    os.unlink(path)


class ShimCgroup:
    """A cgroup for the shim, in the hierarchies that it is made in. Nothing is in it at its end."""

    def __init__(self):
        self.name = f"/{NS}-shim"
        self.tops = [d for d in ("/sys/fs/cgroup/devices", "/sys/fs/cgroup/memory") if os.path.isdir(d)] or ["/sys/fs/cgroup"]

    def __enter__(self):
        for top in self.tops:
            os.mkdir(top + self.name)
        return self

    def __exit__(self, *_):
        for top in self.tops:
            for pid in Path(f"{top}{self.name}/cgroup.procs").read_text().split():
                Path(f"{top}/cgroup.procs").write_text(pid)
            os.rmdir(top + self.name)

    def has(self, pid):
        return all(str(pid) in Path(f"{top}{self.name}/cgroup.procs").read_text().split() for top in self.tops)


def oom_score(pid):
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


def kill_front(b):
    """Returns the pid of the next one."""
    old = b.shim_pid()
    os.kill(old, signal.SIGKILL)
    eventually(lambda: b.shim_pid() != old)
    return b.shim_pid()


def sandboxd_pid():
    done = subprocess.run(["sandboxctl", "--socket", os.environ["SANDBOXD_SOCKET"], "info", "--format", "json"], capture_output=True, check=False)
    return json.loads(done.stdout)["pid"] if done.returncode == 0 else 0


def kill_sandboxd():
    """There is a next one then."""
    old = sandboxd_pid()
    os.kill(old, signal.SIGKILL)
    eventually(lambda: sandboxd_pid() not in (0, old))


@case
def shim_cgroup():
    with ShimCgroup() as cgroup, bundle("cg", IDLE) as b:
        b.shim_options = {3: cgroup.name}
        b.start_shim().create()
        score = oom_score("self") + 1
        ok(cgroup.has(b.shim_pid()), "ShimCgroup: the shim is there")
        equal(oom_score(b.shim_pid()), score, "its OOM score is one more than that of its parent")
        pid = kill_front(b)
        ok(cgroup.has(pid), "one that goes on for a killed one is there too")
        equal(oom_score(pid), score, "at the same OOM score")
        done = b.shim("start", data=encode({1: OPTIONS, 2: encode({3: "/no/such/cgroup"})}))
        ok(done.returncode != 0 and b"/no/such/cgroup" in done.stdout + done.stderr, "a ShimCgroup that does not exist is an error")


def remove(b):
    b.kill()
    b.wait()
    b.delete()
    b.connection.close()
    b.connection = None
    b.delete_command()


def front_is_forgotten(b):
    path = b.front.removeprefix("unix://")
    return eventually(lambda: not os.path.exists(path) and not os.path.exists(path.replace("/front/", "/fronts/")))


POD = "io.kubernetes.cri.sandbox-id"


@chosen_only
def by_pod():
    with ShimCgroup() as cgroup, bundle("pa", IDLE, {"annotations": {POD: "one"}}, events=EVENTS.path) as a, \
            bundle("pb", IDLE, {"annotations": {POD: "one"}}, events=EVENTS.path) as b, \
            bundle("pc", IDLE, {"annotations": {POD: "one", "io.containerd.runc.v2.group": "two"}}, events=EVENTS.path) as c, \
            bundle("pd", IDLE, events=EVENTS.path) as d:
        a.shim_options, a.more_env = {3: cgroup.name}, {"SCHED_CORE": "1"}
        for one in (a, b, c, d):
            one.start_shim().create()
            one.start()
        equal((a.front == b.front, len({a.front, c.front, d.front})), (True, 3), "an address for each group: of a pod, of a name, of one")
        fronts = [one.shim_pid() for one in (a, b, c, d)]
        equal((fronts[0] == fronts[1], len(set(fronts))), (True, 3), "and a front")
        equal([cgroup.has(pid) for pid in fronts], [True, True, False, False], "ShimCgroup is that of its group")
        equal([b"-sched-core" in Path(f"/proc/{pid}/cmdline").read_bytes() for pid in fronts], [True, True, False, False],
              "and so is SCHED_CORE")
        cookies = [core_cookie(pid) for pid in fronts]
        if None in cookies:
            ok(True, "a core for each group # SKIP no core scheduling here")
        else:
            equal((cookies[0] == cookies[1] != 0, cookies[2:]), (True, [0, 0]), "a core for the group that asked for it")
        pid = kill_front(a)
        equal((cgroup.has(pid), oom_score(pid)), (True, oom_score("self") + 1), "a front is killed: the next is where it was")
        equal([one.shim_pid() for one in (b, c, d)], [pid, fronts[2], fronts[3]], "for all of its group, and no others")
        equal([one.state() for one in (a, b, c, d)], ["running"] * 4, "whose containers run")
        remove(a)
        equal((b.shim_pid(), b.state()), (pid, "running"), "a container of a pod is removed: the front serves the other")
        remove(b)
        ok(eventually(lambda: not pid_exists(pid)), "without a container the front ends")
        ok(front_is_forgotten(b), "and is forgotten")
        again = a.start_shim()
        again.create()
        equal((again.front == b.front, again.state()), (True, "created"), "the pod comes again")
        again.start()
        for one in (again, c, d):
            remove(one)
        ok(all(front_is_forgotten(one) for one in (a, c, d)), "all are forgotten in the end")


def core_cookie(pid):
    """That of its core scheduling; None where there is none: an older kernel, or cores with one thread."""
    cookie = ctypes.c_ulong()
    pr_sched_core, get = 62, 0
    failed = ctypes.CDLL(None).prctl(pr_sched_core, get, pid, 0, ctypes.byref(cookie))
    return None if failed else cookie.value


@chosen_only
def by_container():
    with bundle("ca", IDLE, {"annotations": {POD: "one"}}, events=EVENTS.path) as a, \
            bundle("cb", IDLE, {"annotations": {POD: "one"}}, events=EVENTS.path) as b:
        for one in (a, b):
            one.start_shim().create()
            one.start()
        ok(a.front != b.front and a.shim_pid() != b.shim_pid(), "a front for each container")
        pid = b.shim_pid()
        kill_front(a)
        equal((a.state(), b.state(), b.shim_pid()), ("running", "running", pid), "one is killed, and nobody notices")
        for one in (a, b):
            remove(one)
        ok(front_is_forgotten(a) and front_is_forgotten(b), "they end with their containers")


@case
def both_services():
    with bundle("v3", ["sh", "-c", "exit 42"]) as b:
        b.start_shim().task = "containerd.task.v3.Task"
        b.create()
        b.start()
        equal(b.wait(), 42, "the Task service of version 3")
        b.task = "containerd.task.v2.Task"
        equal(b.delete(), 42, "and of version 2, on the same connection")
        for service, method in (("containerd.task.v4.Task", "State"), (b.task, "Dance"), ("x.y.Z", "State")):
            try:
                b.connection.end(b.connection.begin(service, method, {}))
                ok(False, f"{service} {method}")
            except Refused as e:
                equal(e.code, UNIMPLEMENTED, f"{service} {method} is not implemented")


@case
def life():
    with bundle("life", ["sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done"]) as b:
        out, reader = b.reader("out")
        pid = b.start_shim().create(stdout=out)
        reader.attached()
        ok(pid_exists(pid), "Create answers with the host's pid of init")
        ok(os.readlink(f"/proc/{pid}/ns/net"), "whose namespaces exist")
        equal(b.state(), "created", "created")
        waiting = [b.begin("Wait") for _ in range(3)]
        refusal(b.refused("Pause"), UNKNOWN, "", "Pause before Start")
        refusal(b.refused("Checkpoint", {2: b.top + "/cp"}), UNKNOWN, "", "Checkpoint before Start")
        equal(b.start(), pid, "Start answers with the same pid")
        equal(b.state(), "running", "running at once")
        refusal(b.refused("Delete"), UNKNOWN, "cannot delete a running process", "Delete of a running one")
        ok(b.refused("Start")[0], "Start of a running one")
        refusal(b.refused("Create", {2: b.dir}), ALREADY_EXISTS, "", "Create of one that exists")
        eventually(lambda: reader.data == b"ready\n")
        b.call("Pause")
        equal(b.state(), "paused", "paused")
        refusal(b.refused("Exec", {2: "e", 7: {1: PROCESS, 2: json.dumps(b.process(["true"]))}}), UNKNOWN,
                "cannot exec in a paused state", "Exec in a paused one")
        refusal(b.refused("Delete"), UNKNOWN, "cannot delete", "Delete of a paused one")
        refusal(b.refused("Start"), UNKNOWN, "", "Start of a paused one")
        b.call("Resume")
        equal(b.state(), "running", "resumed")
        b.kill(15)
        equal([number(b.connection.end(w), 1) for w in waiting], [7, 7, 7], "waits from before Start answer with the exit status")
        equal(b.state(), "stopped", "stopped")
        equal(b.wait(), 7, "a wait after the exit answers at once")
        refusal(b.refused("Kill", {3: 9}), NOT_FOUND, "process already finished", "Kill after the exit")
        refusal(b.refused("Pause"), UNKNOWN, "", "Pause of a stopped one")
        refusal(b.refused("Exec", {2: "e", 7: {1: PROCESS, 2: json.dumps(b.process(["true"]))}}), UNKNOWN,
                "cannot exec in a stopped state", "Exec in a stopped one")
        equal(reader.all(), b"ready\n", "its output has ended, without a Delete")
        equal(b.delete(), 7, "Delete answers with the exit status")
        refusal(b.refused("Delete"), NOT_FOUND, "", "a second Delete")
        refusal(b.refused("Wait"), NOT_FOUND, "", "Wait after Delete")
        refusal(b.refused("State"), NOT_FOUND, "", "State after Delete")
        ok(b.events.wait_for(b.id, "delete"), "the event of the delete comes")
        equal(b.events.topics(b.id), ["create", "start", "paused", "resumed", "exit", "delete"], "events, once each and in order")
        equal({n for _, n, _ in b.events.got}, {NS}, "in their namespace")
        fields = next(f for t, _, f in b.events.got if t == "/tasks/exit")
        equal((text(fields, 2), number(fields, 3), number(fields, 4)), (b.id, pid, 7), "the exit event says who, and how")
        ok(not os.path.ismount(b.dir + "/rootfs"), "the root filesystem is not mounted any more")


@case
def exit_statuses():
    for status in (0, 1, 2, 127, 255):
        with bundle(f"s{status}", ["sh", "-c", f"exit {status}"], events=EVENTS.path) as b:
            b.start_shim().create()
            b.start()
            equal((b.wait(), b.delete()), (status, status), f"exit status {status}")
    with bundle("term", IDLE, PRIVATE, events=EVENTS.path) as b:
        b.start_shim().create()
        b.start()
        for status in (0, 1, 42, 127, 255):
            b.exec(f"e{status}", ["sh", "-c", f"exit {status}"])
            waiting = b.begin("Wait", {2: f"e{status}"})
            b.start(f"e{status}")
            equal((number(b.connection.end(waiting), 1), b.delete(f"e{status}")), (status, status), f"of an exec, {status}")
        b.exec("sig", IDLE)
        refusal(b.refused("Kill", {2: "sig", 3: 9}), FAILED_PRECONDITION, "", "Kill of an exec before Start")
        b.start("sig")
        b.kill(15, "sig")
        equal(b.wait("sig"), 128 + 15, "of a signal")
        refusal(b.refused("Kill", {2: "sig", 3: 9}), NOT_FOUND, "", "Kill of an exec after its exit")
        b.delete("sig")
        b.kill()
        equal(b.wait(), 137, "of a kill")
        b.delete()


@case
def never_started():
    with bundle("never", IDLE) as b:
        pid = b.start_shim().create()
        b.kill()
        equal(b.wait(), 137, "killed before Start: its exit status")
        ok(eventually(lambda: not pid_exists(pid)), "it has ended")
        equal(b.delete(), 137, "Delete")
        ok(b.events.wait_for(b.id, "delete"), "the event of the delete comes")
        equal(b.events.topics(b.id), ["create", "exit", "delete"], "events")
    with bundle("fresh", IDLE) as b:
        b.start_shim().create()
        b.delete()
        refusal(b.refused("State"), NOT_FOUND, "", "a created one can be deleted")


@case
def failed_create():
    with bundle("badarg", ["/no/such/program"]) as b:
        b.start_shim()
        try:
            b.create()
            b.start()
            ok(False, "a missing program is an error")
        except Refused as e:
            ok("no such file" in e.message.lower() or "not found" in e.message.lower(), "a missing program is an error that says so")
        b.refused("Delete")
        ok("delete" not in b.events.topics(b.id) or "create" in b.events.topics(b.id), "no event of what never was")
        b.call("Shutdown")
        ok(not os.path.ismount(b.dir + "/rootfs"), "its root filesystem is not mounted any more")
    with bundle("badrt", IDLE) as b:
        b.options = encode({6: "no-runc"})
        b.start_shim()
        got = b.refused("Create", {2: b.dir, 3: [b.rootfs()], 10: {1: OPTIONS, 2: b.options}})
        ok(got[0] != 0 and "no-runc" in got[1], "a missing runtime is an error that names it")
        refusal(b.refused("Delete"), NOT_FOUND, "", "Delete after a failed Create")
        ok(not os.path.ismount(b.dir + "/rootfs"), "its root filesystem is not mounted")
    with bundle("badspec", IDLE) as b:
        Path(b.dir + "/config.json").write_text("{ this is not JSON")
        b.start_shim()
        got = b.refused("Create", {2: b.dir, 3: [b.rootfs()]})
        ok(got[0] != 0 and got[1], "a broken config.json is an error")
        ok(not os.path.ismount(b.dir + "/rootfs"), "its root filesystem is not mounted")


@case
def rootfs_mounts():
    with bundle("layers", ["sh", "-c", "cat /one /two /ro/file; touch /ro/x 2>/dev/null; echo $?; touch /new; echo $?"]) as b:
        lowers = []
        for i in range(60):  # their names are more than a page
            layer = f"{b.top}/{'layer' * 12}{i}"
            os.makedirs(layer + "/ro")
            lowers.append(layer)
        Path(lowers[0] + "/one").write_text("first\n")
        Path(lowers[-1] + "/one").write_text("hidden\n")
        Path(lowers[-1] + "/two").write_text("last\n")
        os.mkdir(b.top + "/readonly")
        Path(b.top + "/readonly/file").write_text("bound\n")
        mounts = [{1: "overlay", 2: "overlay", 4: ["index=off", f"workdir={b.top}/work", f"upperdir={b.top}/upper",
                                                   "lowerdir=" + ":".join(lowers + [os.environ["ROOTFS"]])]},
                  {1: "bind", 2: b.top + "/readonly", 3: "/ro", 4: ["rbind", "ro"]}]
        ok(len(mounts[0][4][3]) > 4096, "the layers' names are longer than a page")
        out, reader = b.reader("out")
        b.start_shim()
        # the second mount has a target, which only containerd 2 sends: without one it would cover the first
        b.call("Create", {2: b.dir, 3: mounts, 6: out, 10: {1: OPTIONS, 2: b.options}})
        reader.attached()
        b.start()
        b.wait()
        equal(reader.all(), b"first\nlast\nbound\n1\n0\n", "many layers, and a read-only bind mount in them")
        b.delete()
        ok(f"{b.dir}/rootfs" not in Path("/proc/self/mountinfo").read_text(), "nothing of them is mounted any more")
    with bundle("loop", ["sh", "-c", "cat /etc-file; touch /x 2>/dev/null; echo $?"]) as b:
        image = b.top + "/image"
        subprocess.run(["truncate", "-s", "16M", image], check=True)
        os.mkdir(b.top + "/tree")
        subprocess.run(["cp", "-a", os.environ["ROOTFS"] + "/.", b.top + "/tree"], check=True)
        Path(b.top + "/tree/etc-file").write_text("from an image\n")
        for d in ("proc", "dev", "sys"):
            os.makedirs(f"{b.top}/tree/{d}", exist_ok=True)
        subprocess.run(["mkfs.ext4", "-q", "-d", b.top + "/tree", image], check=True, env={**os.environ, "PATH": os.environ["PATH"] + ":/sbin:/usr/sbin"})
        out, reader = b.reader("out")
        b.start_shim().call("Create", {2: b.dir, 3: [{1: "ext4", 2: image, 4: ["loop", "ro"]}], 6: out, 10: {1: OPTIONS, 2: b.options}})
        reader.attached()
        b.start()
        b.wait()
        equal(reader.all(), b"from an image\n1\n", "a read-only image by a loop device")
        b.delete()
        ok(b.dir not in Path("/proc/self/mountinfo").read_text(), "which is not there any more")
        # a mount namespace that somebody made meanwhile may have a copy of the mount, and so keep the device for a while
        ok(eventually(lambda: not subprocess.run(["losetup", "-j", image], capture_output=True, check=True, env={
            **os.environ, "PATH": os.environ["PATH"] + ":/sbin:/usr/sbin"}).stdout), "nor is the device")
    with bundle("second", IDLE) as b:
        mounts = [b.rootfs(), {1: "no-such-filesystem", 2: "x"}]
        b.start_shim()
        got = b.refused("Create", {2: b.dir, 3: mounts})
        ok(got[0] != 0 and "no-such-filesystem" in got[1], "a mount that fails is an error that names it")
        ok(not os.path.ismount(b.dir + "/rootfs"), "and the mounts before it are undone")


@case
def stdio():
    with bundle("copy", ["cat"]) as b:
        data = os.urandom(1 << 20) * 20
        out, reader = b.reader("out")
        given = b.fifo("in")
        fd = os.open(given, os.O_RDWR | os.O_NONBLOCK)
        b.start_shim().create(stdin=given, stdout=out)
        reader.attached()
        b.start()
        first = os.open(given, os.O_WRONLY)
        os.close(fd)
        os.write(first, b"one ")
        os.close(first)
        ok(eventually(lambda: reader.data == b"one "), "input before the client has closed its end")
        equal(b.state(), "running", "a client that goes away is no end of input")
        second = os.open(given, os.O_WRONLY)

        def write():
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(second, rest[:1 << 16]):]
            os.close(second)
        writer = threading.Thread(target=write)
        writer.start()
        b.call("CloseIO", {3: 1})
        writer.join()
        equal(b.wait(), 0, "CloseIO ends it when the last client has closed")
        got = reader.all()
        equal((len(got or b""), zlib.crc32(got or b"")), (4 + len(data), zlib.crc32(b"one " + data)), "20 MiB, whole, by a second client")
        b.delete()
    with bundle("burst", ["sh", "-c", "head -c 8388608 /dev/zero; echo end"]) as b:
        out, reader = b.reader("out")
        b.start_shim().create(stdout=out)
        b.start()
        b.call("Shutdown")
        b.wait()
        b.delete()
        reader.attached()
        equal(len(reader.all() or b""), 8388608 + 4, "8 MiB are there after Shutdown and Delete")
    with bundle("io-exec", IDLE, PRIVATE) as b:
        b.start_shim().create()
        b.start()
        given = b.fifo("in")
        fd = os.open(given, os.O_RDWR | os.O_NONBLOCK)
        out, reader = b.reader("out")
        err, errors = b.reader("err")
        b.exec("e", ["sh", "-c", "cat; echo oops >&2"], given, out, err)
        b.start("e")
        reader.attached()
        errors.attached()
        os.write(fd, b"to an exec\n")
        b.call("CloseIO", {2: "e", 3: 1})
        os.close(fd)
        equal((b.wait("e"), reader.all(), errors.all()), (0, b"to an exec\n", b"oops\n"), "input, output and errors of an exec")
        b.delete("e")
        equal(b.state(), "running", "whose Delete leaves init alone")
        b.exec("quiet", ["sh", "-c", "echo into nothing"])
        b.start("quiet")
        equal(b.wait("quiet"), 0, "an exec without any stdio")
        b.delete("quiet")
        b.kill()
        b.wait()
        b.delete()
    with bundle("file", ["sh", "-c", "echo out; echo err >&2"]) as b:
        b.start_shim().create(stdout=f"file://{b.top}/deep/er/log", stderr=f"file://{b.top}/deep/er/log")
        b.start()
        b.wait()
        equal(Path(b.top + "/deep/er/log").read_text(), "out\nerr\n", "file:// makes its directories")
        b.delete()
    with bundle("scheme", IDLE) as b:
        b.start_shim()
        got = b.refused("Create", {2: b.dir, 3: [b.rootfs()], 6: "strange://x"})
        ok(got[0] != 0 and "strange" in got[1], "another scheme is an error that names it")
    with bundle("logger", ["sh", "-c", "echo logged; echo error >&2"]) as b:
        script = b.top + "/logger"
        Path(script).write_text("#!/bin/sh\nenv > $2.env; echo \"$@\" > $2.args; exec 5>&-\ncat <&3 > $2 & cat <&4 > $2.err; wait\n")
        os.chmod(script, 0o755)
        uri = f"binary://{script}?to={b.top}/io/log"
        b.start_shim().create(stdout=uri, stderr=uri)
        b.start()
        b.wait()
        b.delete()
        ok(eventually(lambda: Path(b.top + "/io/log.err").read_text() == "error\n"), "binary:// gets the errors")
        equal(Path(b.top + "/io/log").read_text(), "logged\n", "and the output")
        equal(Path(b.top + "/io/log.args").read_text().split(), ["to", b.top + "/io/log"], "with its arguments")
        env = set(line for line in Path(b.top + "/io/log.env").read_text().split("\n") if line.startswith("CONTAINER_"))
        equal(env, {f"CONTAINER_ID={b.id}", f"CONTAINER_NAMESPACE={NS}"}, "and the container's names in its environment")


@case
def terminal():
    pts = {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["newinstance", "ptmxmode=0666", "mode=0620"]}
    with bundle("tty", ["sh", "-c", "stty size; read line; echo got $line; stty size"],
                {"process.terminal": True, "mounts": [
                    {"destination": "/proc", "type": "proc", "source": "proc"},
                    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]}, pts]}) as b:
        out, reader = b.reader("out")
        given = b.fifo("in")
        fd = os.open(given, os.O_RDWR | os.O_NONBLOCK)
        b.start_shim().create(stdin=given, stdout=out, _4=1)
        reader.attached()
        b.call("ResizePty", {3: 91, 4: 17})
        b.start()
        ok(eventually(lambda: b"17 91" in reader.data), "the size that was set before Start")
        b.call("ResizePty", {3: 100, 4: 40})
        os.write(fd, b"typed\n")
        b.wait()
        got = (reader.all() or b"").replace(b"\r", b"")
        ok(got.endswith(b"got typed\n40 100\n"), "input, output and a new size")
        os.close(fd)
        b.delete()
    with bundle("notty", IDLE) as b:
        b.start_shim().create()
        equal(b.refused("ResizePty", {3: 80, 4: 25}), (0, ""), "ResizePty without a terminal does nothing")
        b.delete()


@case
def execs():
    with bundle("execs", IDLE) as b:
        b.start_shim().create()
        b.start()
        b.exec("never", ["true"])
        refusal(b.refused("Exec", {2: "never", 7: {1: PROCESS, 2: json.dumps(b.process(["true"]))}}), ALREADY_EXISTS, "",
                "Exec with an id that is in use")
        equal(b.state("never"), "created", "an exec that was not started")
        equal(b.delete("never"), 0, "Delete of it")
        b.exec("bad", ["/no/such/program"])
        waiting = b.begin("Wait", {2: "bad"})
        got = b.refused("Start", {2: "bad"})
        ok(got[0] != 0 and "no such file" in got[1].lower() or "not found" in got[1].lower(), "Start of a missing program says so")
        b.connection.end(waiting)
        ok(True, "a Wait for it answers")
        b.refused("Delete", {2: "bad"})
        refusal(b.refused("State", {2: "bad"}), NOT_FOUND, "", "Delete of it works")
        refusal(b.refused("Start", {2: "nobody"}), NOT_FOUND, "", "Start of an exec that does not exist")
        b.exec("long", IDLE)
        pid = b.start("long")
        b.exec("late", ["true"])
        processes = {number(decode(p), 1): decode(p) for p in b.call("Pids").get(1, [])}
        info = decode(processes[pid][2][0])
        equal((text(info, 1), text(decode(info[2][0]), 1)), ("containerd.runc.v1.ProcessDetails", "long"),
              "Pids tells which exec a process is")
        b.kill()
        equal(b.wait(), 137, "init is killed")
        got = b.refused("Start", {2: "late"})
        ok(got[0] != 0, "no exec starts after init has ended")
        ok(not pid_exists(pid), "init's end ends the others, without a pid namespace too")
        equal(b.wait("long"), 137, "an exec's status when init took it along")
        b.delete("long")
        b.delete()
        b.events.wait_for(b.id, "delete")
        ends = [text(f, 2) for t, _, f in b.events.got if t == "/tasks/exit"]
        equal(ends, ["long", b.id], "init's exit is the last one")
        topics = b.events.topics(b.id)
        equal([t for t in topics if t.startswith("exec")].count("exec-started"), 1, "one exec was started")
        equal(topics[0:2] + topics[-1:], ["create", "start", "delete"], "and the order is right")


@chosen_only
def left_behind():
    """An exec is over; a child of it is not, and has its output."""
    child = "trap '' PIPE; (until [ -e /{0} ]; do sleep 0.05; done; echo late || echo refused >/said) & echo soon; exit {1}"
    with bundle("left", IDLE, events=EVENTS.path) as b:
        b.start_shim().create()
        b.start()
        readers, removals = {}, {}
        for name, status in (("stays", 5), ("ends", 6)):
            out, reader = b.reader(name)
            b.exec(name, ["sh", "-c", child.format(name, status)], stdout=out, stderr=out)
            b.start(name)
            equal(b.wait(name, 10), status, f"{name}: the exit is told while a child has its output")
            reader.attached()
            ok(eventually(lambda: reader.data == b"soon\n"), "what it wrote is there")
            readers[name], removals[name] = reader, b.begin("Delete", {2: name})
        began = time.monotonic()
        ok(not readers["ends"].all(0.3) and b.state("ends") == "stopped", "Delete waits for the child")
        refusal(b.refused("Kill", {2: "ends", 3: 9}), NOT_FOUND, "process already finished", "Kill meanwhile")
        equal(b.wait("ends", 10), 6, "and Wait")
        Path(b.dir + "/rootfs/ends").touch()
        equal((number(b.connection.end(removals["ends"]), 2), readers["ends"].all()), (6, b"soon\nlate\n"), "which writes, and ends")
        equal(number(b.connection.end(removals["stays"]), 2), 5, "or for ten seconds")
        ok(time.monotonic() - began > 9, "not less")
        equal(readers["stays"].all(), b"soon\n", "then the output has an end")
        equal((len(b.call("Pids").get(1, [])) > 1, b.state()), (True, "running"), "the child lives on, as init does")
        Path(b.dir + "/rootfs/stays").touch()
        ok(eventually(lambda: os.path.exists(b.dir + "/rootfs/said")), "but cannot write any more")
        remove(b)


@case
def killed_under_output():
    """sandboxd is killed while an exec writes, and while what it wrote is on its way. No byte is lost, and none comes twice."""
    with bundle("under", IDLE, events=EVENTS.path) as b:
        b.start_shim().create()
        b.start()
        out, reader = b.reader("long")
        b.exec("long", ["sh", "-c", "i=0; while [ $i -lt 40 ]; do i=$((i + 1)); seq $i 20000; sleep 0.02; done"], stdout=out)
        b.start("long")
        reader.attached()
        for _ in range(3):
            eventually(lambda: reader.data)
            kill_sandboxd()
        wanted = b"".join(b"%d\n" % n for i in range(1, 41) for n in range(i, 20001))
        equal((b.wait("long"), b.delete("long")), (0, 0), "an exec that writes while sandboxd is killed")
        got = reader.all()
        equal((len(got or b""), got == wanted), (len(wanted), True), "each byte of its output came")
        path = b.fifo("full")
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        b.exec("full", ["sh", "-c", "head -c 100000 /dev/zero"], stdout=path)
        b.start("full")
        equal(b.wait("full"), 0, "one whose client does not read")
        removal = b.begin("Delete", {2: "full"})
        kill_sandboxd()
        os.set_blocking(fd, True)
        got = 0
        while more := len(os.read(fd, 65536)):
            got += more
        os.close(fd)
        equal((got, number(b.connection.end(removal), 2)), (100000, 0), "all of it is there when it is removed, after a kill too")
        remove(b)


@case
def children():
    with bundle("kids", ["sh", "-c", "sleep 1000 & sleep 1000 & echo up; wait"]) as b:
        out, reader = b.reader("out")
        b.start_shim().create(stdout=out)
        reader.attached()
        b.start()
        eventually(lambda: reader.data)
        pids = [number(decode(p), 1) for p in b.call("Pids").get(1, [])]
        equal(len(pids), 3, "Pids has them all")
        b.kill(9)
        equal(b.wait(), 137, "init is killed")
        ok(eventually(lambda: not any(pid_exists(p) for p in pids)), "and takes its children along, without a pid namespace")
        b.delete()
    with bundle("all", ["sh", "-c", "sleep 1000 & echo up; wait"]) as b:
        out, reader = b.reader("out")
        b.start_shim().create(stdout=out)
        reader.attached()
        b.start()
        eventually(lambda: reader.data)
        pids = [number(decode(p), 1) for p in b.call("Pids").get(1, [])]
        b.kill(9, everything=True)
        b.wait()
        ok(eventually(lambda: not any(pid_exists(p) for p in pids)), "Kill of all kills all")
        b.delete()


@case
def oom():
    limit = {"linux.resources": {"memory": {"limit": 32 << 20, "swap": 32 << 20}}}
    with bundle("oom", ["sh", "-c", "x=a; while :; do x=$x$x; done"], {**PRIVATE, **limit}) as b:
        b.start_shim().create()
        b.start()
        equal(b.wait(), 137, "the exit status of an OOM kill")
        b.delete()
        b.events.wait_for(b.id, "delete")
        topics = b.events.topics(b.id)
        ok("oom" in topics and topics.index("oom") < topics.index("exit"), "its event comes before the exit")


@case
def update_and_stats():
    with bundle("stats", IDLE, PRIVATE) as b:
        b.start_shim().create()
        b.start()
        b.call("Update", {2: {1: RESOURCES, 2: json.dumps({"memory": {"limit": 64 << 20}})}})
        stats = decode(b.call("Stats")[1][0])
        kind, metrics = text(stats, 1), decode(stats[2][0])
        ok(kind in ("io.containerd.cgroups.v1.Metrics", "io.containerd.cgroups.v2.Metrics"), "Stats are of a type that containerd knows")
        if kind.endswith("v1.Metrics"):
            memory = decode(metrics[4][0])
            equal(number(decode(memory[33][0]), 1), 64 << 20, "with the limit that was set")
            ok(number(decode(decode(metrics[3][0])[1][0]), 1) > 0, "and CPU time")
        else:
            equal(number(decode(metrics[4][0]), 33), 64 << 20, "with the limit that was set")
            ok(number(decode(metrics[2][0]), 1) > 0, "and CPU time")
        got = b.refused("Update", {2: {1: RESOURCES, 2: "nonsense"}})
        ok(got[0] != 0, "an Update that is no JSON is refused")
        b.kill()
        b.wait()
        b.delete()


@case
def dead_shim():
    with bundle("dead", IDLE) as b:
        pid = b.start_shim().create()
        b.start()
        b.connection.close()
        done = b.delete_command()
        response = decode(done.stdout)
        equal((done.returncode, number(response, 1), number(response, 2)), (0, pid, 137), "delete of a running one: its pid, and 137")
        ok(not pid_exists(pid), "it is dead")
        ok(not os.path.ismount(b.dir + "/rootfs"), "and its root filesystem is gone")
        equal(b.delete_command().returncode, 0, "delete once more")
    with bundle("behind", IDLE) as b:
        b.start_shim().create()
        b.start()
        waiting = b.begin("Wait")
        root = f"/run/containerd/runc/{NS}"
        subprocess.run([RUNTIME, "--root", root, "delete", "--force", b.id], check=False)
        equal(number(b.connection.end(waiting), 1), 137, "deleted behind our back by the runtime: Wait answers")
        refusal(b.refused("Kill", {3: 9}), NOT_FOUND, "", "Kill is told that it is gone")
        b.delete()
        equal(os.listdir(root), [], "nothing is left in the runtime's directory")


@case
def many_at_once():
    failures, events = [], EVENTS

    def one(i):
        try:
            with bundle(f"m{i}", ["sh", "-c", f"exit {i}"], events=events.path) as b:
                b.start_shim().create()
                b.start()
                if b.wait() != i or b.delete() != i:
                    failures.append(i)
        except Exception as e:
            failures.append((i, str(e)))
    threads = [threading.Thread(target=one, args=(i,)) for i in range(1, 17)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    equal(failures, [], "sixteen at once, each with a status of its own")


@case
def wire():
    with bundle("wire", IDLE) as b:
        b.start_shim()
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(b.front.removeprefix("unix://"))
        body = encode({1: b.task, 2: "Connect", 3: encode({1: b.id})})
        sock.sendall(struct.pack(">IIBB", len(body), 2, 1, 0) + body)
        stream, kind, data = read_frame(sock)
        status = decode(decode(data)[1][0])
        equal((stream, number(status, 1)), (2, INVALID), "an even stream id is refused")
        sock.sendall(struct.pack(">IIBB", 4, 3, 9, 0) + b"huh?" + struct.pack(">IIBB", len(body), 5, 1, 0) + body)
        equal(read_frame(sock)[0], 5, "a frame of an unknown type is passed over")
        size = (4 << 20) + 1
        sock.sendall(struct.pack(">IIBB", size, 7, 1, 0) + bytes(size) + struct.pack(">IIBB", len(body), 9, 1, 0) + body)
        stream, kind, data = read_frame(sock)
        equal((stream, number(decode(decode(data)[1][0]), 1)), (7, 8), "a frame that is too large is refused")
        equal(read_frame(sock)[0], 9, "and the connection lives on")
        sock.close()
        b.call("Shutdown")


def n_fds(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def dial(b):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(b.front.removeprefix("unix://"))
    return sock


@chosen_only
def hostile_peers():
    """Of the front: each does its worst while a container of somebody else has its life."""
    def goes_on(name):
        began = time.monotonic()
        b.exec("x", ["sh", "-c", "exit 3"])
        b.start("x")
        equal((b.wait("x"), b.delete("x"), b.state()), (3, 3, "running"), f"{name}: the others go on")
        print(f"# {time.monotonic() - began:.2f} s", flush=True)

    with bundle("host", IDLE, events=EVENTS.path) as b:
        b.start_shim().create()
        b.start()
        front = b.shim_pid()
        idle = n_fds(front)
        body = encode({1: b.task, 2: "State", 3: encode({1: b.id}), 5: [{1: "containerd-namespace-ttrpc", 2: NS}]})
        whole = struct.pack(">IIBB", len(body), 1, 1, 0) + body

        peers = [dial(b) for _ in range(100)]
        for i, peer in enumerate(peers):
            peer.sendall(whole[:i % len(whole)])
        goes_on("a hundred that stop within a frame")
        for i, peer in enumerate(peers):
            peer.sendall(whole[i % len(whole):])
        equal({read_frame(peer)[0] for peer in peers}, {1}, "and are answered when they send the rest")
        for peer in peers:
            peer.close()
        ok(eventually(lambda: n_fds(front) == idle), "nothing of them stays")

        deaf = dial(b)
        deaf.settimeout(1)
        stream = 0
        with contextlib.suppress(TimeoutError):
            while True:  # until nobody takes more
                deaf.sendall(struct.pack(">IIBB", len(body), stream * 2 + 1, 1, 0) + body)
                stream += 1
        ok(stream > 100, "one asks and asks, and never reads")
        goes_on("one that does not read")
        deaf.close()
        ok(eventually(lambda: n_fds(front) == idle), "nothing of it stays")

        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        peers = [dial(b) for _ in range(2000)]
        goes_on("two thousand connections")
        for peer in peers:
            peer.close()
        ok(eventually(lambda: n_fds(front) == idle, 60), "nothing of them stays")

        limits = resource.prlimit(front, resource.RLIMIT_NOFILE)
        resource.prlimit(front, resource.RLIMIT_NOFILE, (idle + 20, limits[1]))
        peers = [dial(b) for _ in range(60)]
        for peer in peers:
            peer.sendall(whole)
        eventually(lambda: n_fds(front) >= idle + 19)
        goes_on("a front without descriptors")
        for peer in peers[:20]:
            equal(read_frame(peer)[0], 1, "who was first is answered") if peer is peers[0] else read_frame(peer)
            peer.close()
        for peer in peers[20:]:
            peer.settimeout(30)
            last = read_frame(peer)[0]
            peer.close()
        equal(last, 1, "and the others as soon as there is room")
        resource.prlimit(front, resource.RLIMIT_NOFILE, limits)
        ok(eventually(lambda: n_fds(front) == idle), "nothing of them stays")
        equal(b.shim_pid(), front, "it is the same front all the time")
        remove(b)


@chosen_only
def deaf_containerd():
    """One that takes connections for its events, and answers none; the other is told of everything."""
    path = TOP + "/silent.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(8)
    with bundle("deaf", IDLE, events=path) as a, bundle("ears", IDLE, events=EVENTS.path) as b:
        for one in (a, b):
            one.start_shim().create()
            one.start()
        taken = listener.accept()[0]
        stream, kind, data = read_frame(taken)
        ok(kind == 1, "the first event is sent")
        for i in range(8):
            for one in (a, b):
                one.exec(f"e{i}", ["true"])
                one.start(f"e{i}")
                one.wait(f"e{i}")
                one.delete(f"e{i}")
        remove(a)
        remove(b)
        ok(EVENTS.wait_for(b.id, "delete"), "the other is told everything meanwhile")
        taken.settimeout(0.2)
        try:
            got = taken.recv(1)
        except TimeoutError:
            got = None
        equal(got, None, "nothing more is sent before an answer")
        listener.close()
        taken.close()
        os.unlink(path)
        later = Events(path)
        ok(later.wait_for(a.id, "delete", timeout=60), "the next one at that address is told everything")
        execs = ["exec-added", "exec-started", "exit"] * 8
        equal(later.topics(a.id), ["create", "start"] + execs + ["exit", "delete"], "once, and in order")
        later.close()


@chosen_only
def deaf_readers():
    """Clients of sandboxd's own socket that ask for the events and never read them."""
    daemon = sandboxd_pid()

    def request(number):  # SP over IPC; [0, number, "events.read", {"since": 1, "max": 1000}]
        text = b"\x94\x00\xcd" + struct.pack(">H", number) + b"\xabevents.read\x82\xa5since\x01\xa3max\xcd\x03\xe8"
        body = struct.pack(">I", 0x80000000 + number) + text
        return b"\x01" + struct.pack(">Q", len(body)) + body

    def resident():
        return int(Path(f"/proc/{daemon}/statm").read_text().split()[1]) * 4096

    with bundle("seen", IDLE, events=EVENTS.path) as b:
        b.start_shim().create()
        b.start()
        idle, before = n_fds(daemon), resident()
        readers = []
        for _ in range(20):
            reader = socket.socket(socket.AF_UNIX)
            reader.connect(os.environ["SANDBOXD_SOCKET"])
            reader.sendall(b"\0SP\0\0\x30\0\0")
            reader.setblocking(False)
            for number in range(30):
                try:
                    reader.send(request(number))
                except BlockingIOError:
                    break
            readers.append(reader)
        for i in range(5):
            b.exec(f"e{i}", ["true"])
            b.start(f"e{i}")
            b.wait(f"e{i}")
            b.delete(f"e{i}")
        equal(b.state(), "running", "a container lives beside twenty of them")
        grown = resident() - before
        print(f"# sandboxd has grown by {grown >> 10} KiB", flush=True)
        ok(grown < 200 << 20, "sandboxd holds what it has answered, within its quota")
        for reader in readers:
            reader.close()
        ok(eventually(lambda: n_fds(daemon) == idle), "nothing of them stays")
        remove(b)
        ok(EVENTS.wait_for(b.id, "delete"), "the events are with containerd")


def main():
    global EVENTS
    os.makedirs(TOP, exist_ok=True)
    EVENTS = Events(TOP + "/ev.sock")
    EVENTS.path = TOP + "/ev.sock"
    for run in CASES + OTHERS if CHOSEN else CASES:
        if CHOSEN and run.__name__ not in CHOSEN:
            continue
        began = time.monotonic()
        try:
            run()
        except Exception:
            traceback.print_exc(file=sys.stdout)
            ok(False, f"{run.__name__} goes to its end")
        print(f"# {run.__name__}: {time.monotonic() - began:.2f} s", flush=True)


main()
