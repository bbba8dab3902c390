# SPDX-License-Identifier: Apache-2.0
"""What containerd does with a shim, without containerd: executes its start and delete, calls its Task service over ttrpc, and
takes its events. Messages are dictionaries of field numbers; only what the tests need of protobuf is here."""
import contextlib, json, os, queue, shutil, socket, struct, subprocess, threading, time

# --- protobuf ---


def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes(out) + bytes([n])


def encode(fields):
    """{number: int, str, bytes, dict, or a list of these}"""
    out = b""
    for number, value in fields.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                one = encode(one)
            elif isinstance(one, str):
                one = one.encode()
            if isinstance(one, bytes):
                out += varint(number << 3 | 2) + varint(len(one)) + one
            else:
                out += varint(number << 3) + varint(int(one))
    return out


def read_varint(data, at):
    shift = value = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def decode(data):
    """{number: [values]}; what has a length is bytes."""
    fields, at = {}, 0
    while at < len(data):
        key, at = read_varint(data, at)
        if key & 7 == 0:
            value, at = read_varint(data, at)
        elif key & 7 == 2:
            size, at = read_varint(data, at)
            value, at = data[at:at + size], at + size
        elif key & 7 == 1:
            value, at = data[at:at + 8], at + 8
        else:
            value, at = data[at:at + 4], at + 4
        fields.setdefault(key >> 3, []).append(value)
    return fields


def number(fields, n):
    return fields.get(n, [0])[0]


def text(fields, n):
    return fields.get(n, [b""])[0].decode()


# --- ttrpc ---


def receive(sock, size):
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def read_frame(sock):
    size, stream, kind, flags = struct.unpack(">IIBB", receive(sock, 10))
    return stream, kind, receive(sock, size)


class Refused(Exception):
    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


NOT_FOUND, ALREADY_EXISTS, FAILED_PRECONDITION, UNKNOWN, UNIMPLEMENTED, INVALID = 5, 6, 9, 2, 12, 3


class Connection:
    """A ttrpc connection: calls may be under way at once."""

    def __init__(self, address):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(address.removeprefix("unix://"))
        self.lock, self.next, self.answers = threading.Lock(), 1, {}
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        with contextlib.suppress(EOFError, OSError):
            while True:
                stream, kind, data = read_frame(self.sock)
                self.answers[stream].put(data)
        for waiting in list(self.answers.values()):
            waiting.put(None)

    def begin(self, service, method, request, metadata=()):
        with self.lock:
            stream, self.next = self.next, self.next + 2
            self.answers[stream] = queue.Queue()
            body = encode({1: service, 2: method, 3: encode(request), 5: [{1: k, 2: v} for k, v in metadata]})
            self.sock.sendall(struct.pack(">IIBB", len(body), stream, 1, 0) + body)
        return stream

    def end(self, stream, timeout=30):
        data = self.answers[stream].get(timeout=timeout)
        if data is None:
            raise Refused(14, "ttrpc: closed")
        response = decode(data)
        status = decode(response.get(1, [b""])[0])
        if number(status, 1):
            raise Refused(number(status, 1), text(status, 2))
        return decode(response.get(2, [b""])[0])

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


class Events:
    """The events service of containerd: what was forwarded is in .got, as (topic, namespace, fields)."""

    def __init__(self, path):
        self.got, self.changed = [], threading.Condition()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(8)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()

    def serve(self, sock):
        with contextlib.suppress(EOFError, OSError):
            while True:
                stream, kind, data = read_frame(sock)
                envelope = decode(decode(decode(data)[3][0])[1][0])
                with self.changed:
                    self.got.append((text(envelope, 3), text(envelope, 2), decode(decode(envelope[4][0]).get(2, [b""])[0])))
                    self.changed.notify_all()
                body = encode({2: b""})
                sock.sendall(struct.pack(">IIBB", len(body), stream, 2, 0) + body)

    def topics(self, container):
        return [t.removeprefix("/tasks/") for t, _, f in self.got if text(f, 1) == container]

    def wait_for(self, container, topic, count=1, timeout=20):
        with self.changed:
            self.changed.wait_for(lambda: self.topics(container).count(topic) >= count, timeout)
        return self.topics(container).count(topic) >= count

    def close(self):
        self.listener.close()


# --- a container ---

OPTIONS = "containerd.runc.v1.Options"
PROCESS = "types.containerd.io/opencontainers/runtime-spec/1/Process"
RESOURCES = "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources"


class Bundle:
    """A bundle, the stand-in of its containerd, and the shim's answers. As a context: nothing of it stays."""

    def __init__(self, top, name, args, spec=None, namespace="conf", runtime="", events=None):
        self.id, self.ns = name, namespace
        self.top = f"{top}/{name}"
        self.dir = self.top + "/001"  # never the id
        os.makedirs(self.dir + "/rootfs")
        for d in ("upper", "work", "io"):
            os.mkdir(f"{self.top}/{d}")
        self.own_events = events is None
        self.address = events or self.dir + "/c.sock"
        self.events = Events(self.address) if self.own_events else None
        self.task, self.service, self.connection = "containerd.task.v2.Task", None, None
        self.options = encode({6: runtime} if runtime else {})
        self.shim_options, self.more_env = {}, {}
        config = {"ociVersion": "1.0.2", "hostname": "", "root": {"path": "rootfs"},
                  "process": self.process(args), "mounts": [
                      {"destination": "/proc", "type": "proc", "source": "proc"},
                      {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]}],
                  "linux": {"namespaces": [{"type": "mount"}]}}
        del config["hostname"]
        for path, value in (spec or {}).items():
            at = config
            *parents, last = path.split(".")
            for key in parents:
                at = at.setdefault(key, {})
            at[last] = value
        with open(self.dir + "/config.json", "w", encoding="utf-8") as out:
            json.dump(config, out)

    @staticmethod
    def process(args, **more):
        return {"args": args, "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}, **more}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.connection:
            self.connection.close()
        self.delete_command()
        if self.events:
            self.events.close()
        subprocess.run(["umount", "-l", self.dir + "/rootfs"], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.top)

    def shim(self, *action, data=b"", timeout=20):
        env = {**os.environ, "TTRPC_ADDRESS": self.address, "GOMAXPROCS": "2", "SHIM_SOCKET_DIR": self.top, **self.more_env}
        return subprocess.run(["containerd-shim-sandboxd-v1", "-namespace", self.ns, "-id", self.id, "-address", self.address,
                               *action], cwd=self.dir, env=env, input=data, capture_output=True, timeout=timeout, check=False)

    def params(self):
        options = {1: {1: OPTIONS, 2: encode(self.shim_options)}}
        return encode({1: self.id, 2: self.ns, 6: self.address, 8: options, 9: self.top})

    def start_shim(self):
        done = self.shim("start", data=self.params())
        if done.returncode:
            raise Refused(2, (done.stdout + done.stderr).decode())
        self.front = text(decode(done.stdout), 2)
        self.connection = Connection(self.front)
        return self

    def shim_pid(self):
        return number(self.call("Connect"), 1)

    def delete_command(self):
        return self.shim("-bundle", self.dir, "delete", timeout=10)

    # --- calls ---

    def begin(self, method, request=None):
        return self.connection.begin(self.task, method, {1: self.id, **(request or {})},
                                     [("containerd-namespace-ttrpc", self.ns)])

    def call(self, method, request=None, timeout=30):
        return self.connection.end(self.begin(method, request), timeout)

    def rootfs(self):
        return {1: "overlay", 2: "overlay", 4: ["index=off", f"workdir={self.top}/work", f"upperdir={self.top}/upper",
                                                f"lowerdir={os.environ['ROOTFS']}"]}

    def create(self, stdin="", stdout="", stderr="", **more):
        request = {2: self.dir, 3: [self.rootfs()], 10: {1: OPTIONS, 2: self.options}}
        request.update({n: v for n, v in ((5, stdin), (6, stdout), (7, stderr)) if v})
        request.update({int(k[1:]): v for k, v in more.items()})
        return number(self.call("Create", request), 1)

    def start(self, exec_id=""):
        return number(self.call("Start", {2: exec_id}), 1)

    def exec(self, exec_id, args, stdin="", stdout="", stderr="", spec=None):
        any_spec = {1: PROCESS, 2: json.dumps(self.process(args, **(spec or {})))}
        self.call("Exec", {2: exec_id, 4: stdin, 5: stdout, 6: stderr, 7: any_spec})

    def wait(self, exec_id="", timeout=30):
        return number(self.call("Wait", {2: exec_id}, timeout), 1)

    def kill(self, signal=9, exec_id="", everything=False):
        self.call("Kill", {2: exec_id, 3: signal, 4: everything})

    def delete(self, exec_id="", timeout=30):
        return number(self.call("Delete", {2: exec_id}, timeout), 2)

    def state(self, exec_id=""):
        return ("unknown", "created", "running", "stopped", "paused", "pausing")[number(self.call("State", {2: exec_id}), 4)]

    def refused(self, method, request=None):
        """The code and words of a refusal; (0, "") for none."""
        try:
            self.call(method, request)
        except Refused as e:
            return e.code, e.message
        return 0, ""

    # --- FIFOs ---

    def fifo(self, name):
        path = f"{self.top}/io/{name}"
        os.mkfifo(path, 0o700)
        return path

    def reader(self, name):
        """A FIFO and a thread that collects what comes out of it, until its end."""
        path = self.fifo(name)
        return path, Reader(path)


class Reader:
    def __init__(self, path):
        self.fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.data, self.ended = b"", threading.Event()
        os.set_blocking(self.fd, True)
        self.keep = os.open(path, os.O_WRONLY)  # until it is let go, no writer yet is not the end
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        while True:
            more = os.read(self.fd, 1 << 20)
            if not more:
                break
            self.data += more
        os.close(self.fd)
        self.ended.set()

    def attached(self):
        """The shim has its ends: from here on its last writer's close is the end."""
        os.close(self.keep)

    def all(self, timeout=30):
        return self.data if self.ended.wait(timeout) else None


def eventually(condition, timeout=20):
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
