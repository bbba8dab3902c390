#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`make bench-containerd`: containerd's tasks by our shim and by containerd's own, in turns, with the same runtime. Each side
has a containerd of its own in a memory cgroup of its own, together with its shims (ours: keeper, sandboxd and fronts), so
that what they are charged for can be told apart. Times are ctr's, its own start included: "ctr alone" says how much that is.
usage: containerd.py IMAGE-ARCHIVE IMAGE ROUNDS [FLEET...]; BENCH_RUNTIME is runc or crun."""
import contextlib, os, shutil, statistics, subprocess, sys, tempfile, threading, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ARCHIVE, IMAGE, ROUNDS, *FLEETS = sys.argv[1:]
ROUNDS, FLEETS = int(ROUNDS), [int(n) for n in FLEETS] or [100, 300]
RUNTIME, NS, IDLE_SECONDS = os.environ.get("BENCH_RUNTIME", "runc"), f"bench-{os.getpid()}", 20
TRUE, SLEEP = ["/bin/true"], ["/bin/sleep", "1000000"]
V1 = os.path.isdir("/sys/fs/cgroup/memory")
CONFIG = """version = 2
root = "{0}/root"
state = "{0}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
address = "{0}/s"
"""


def read(path):
    try:
        return Path(path).read_text()
    except OSError:
        return ""


class Side:
    def __init__(self, name, runtime, options, top, env):
        self.name, self.dir, self.env, self.exits, self.changed = name, f"{top}/{name}", env, {}, threading.Condition()
        self.options = ["--snapshotter", "native", "--runtime", runtime, *options]
        self.shim = "containerd-shim-" + "-".join(runtime.split(".")[-2:])
        self.cgroup = f"/sys/fs/cgroup/{'memory/' if V1 else ''}{NS}-{name}"
        self.processes = []
        os.mkdir(self.dir)
        os.mkdir(self.cgroup)

    def launch(self, *words):
        join = f'echo $$ > "{self.cgroup}/cgroup.procs"; exec "$@"'
        with open(self.dir + "/log", "ab") as log:
            self.processes.append(subprocess.Popen(["sh", "-c", join, "sh", *words], env=self.env, stdin=subprocess.DEVNULL,
                                                   stdout=log, stderr=log))

    def start(self):
        Path(self.dir + "/config.toml").write_text(CONFIG.format(self.dir))
        self.launch("containerd", "--log-level", "warn", "--config", self.dir + "/config.toml")
        while self.ctr("version", check=False).returncode:
            time.sleep(0.05)
        self.ctr("images", "import", "--snapshotter", "native", ARCHIVE)
        self.events = subprocess.Popen(self.words("events"), stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.events.stdout:
            if "/tasks/exit" in line:
                with self.changed:
                    self.exits[line.split('"container_id":"')[1].split('"')[0]] = time.monotonic()
                    self.changed.notify_all()

    def words(self, *words):
        return ["ctr", "--address", self.dir + "/s", "--namespace", NS + self.name, *words]

    def ctr(self, *words, check=True):
        done = subprocess.run(self.words(*words), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if check and done.returncode:
            sys.exit(f"{self.name}: ctr {' '.join(words)}: {done.stderr}")
        return done

    def run(self, name, command, how):
        self.ctr("run", how, "--null-io", *self.options, IMAGE, name, *command)

    def remove(self, name):
        self.ctr("task", "delete", "--force", name, check=False)
        self.ctr("container", "delete", name)

    # --- what it costs ---

    def charge(self):  # without the pages of files on disks: those are the images', and can be taken back
        stat = dict(line.split() for line in read(self.cgroup + "/memory.stat").splitlines())
        files = int(stat["total_cache"]) - int(stat["total_shmem"]) if V1 else int(stat["file"]) - int(stat["shmem"])
        return (int(read(self.cgroup + ("/memory.usage_in_bytes" if V1 else "/memory.current"))) - files) / 1024

    def helpers(self):
        return [p for p in read(self.cgroup + "/cgroup.procs").split() if int(p) != self.processes[-1].pid]

    def switches(self):
        total = 0
        for pid in self.helpers():
            for task in os.listdir(f"/proc/{pid}/task"):
                total += sum(int(l.split()[1]) for l in read(f"/proc/{pid}/task/{task}/status").splitlines() if "_switches" in l)
        return total

    def stop(self):
        self.events.kill()
        for process in reversed(self.processes):
            process.terminate()
            process.wait()
        for pid in read(self.cgroup + "/cgroup.procs").split():
            os.kill(int(pid), 9)
        for _ in range(100):
            try:
                os.rmdir(self.cgroup)
                break
            except OSError:
                time.sleep(0.05)


def timed(function, *args):
    began = time.monotonic()
    function(*args)
    return (time.monotonic() - began) * 1000


def kill(side):
    side.run("killed", SLEEP, "-d")
    began = time.monotonic()
    side.ctr("task", "kill", "-s", "KILL", "killed")
    with side.changed:
        side.changed.wait_for(lambda: side.exits.get("killed", 0) > began, 30)
    took = (side.exits["killed"] - began) * 1000
    side.remove("killed")
    return took


def storm(side, n=100):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: side.run(f"s{i}", TRUE, "--rm"), range(n)))


def row(what, ours, theirs, unit):
    def show(values):
        values = values if isinstance(values, list) else [values]
        digits = 2 if statistics.median(values) < 10 else 1
        text = f"{statistics.median(values):.{digits}f}"
        return text + (f" ({min(values):.{digits}f})" if len(values) > 1 else "") + unit
    a, b = (statistics.median(v) if isinstance(v, list) else v for v in (ours, theirs))
    print(f"| {what} | {show(ours)} | {show(theirs)} | {a / b if b else 0:.2f} |", flush=True)


def compare(what, function, sides, rounds=ROUNDS):
    samples = {s.name: [] for s in sides}
    for i in range(rounds):
        for side in sides if i % 2 else sides[::-1]:
            samples[side.name].append(function(side, i))
    row(what, samples["sandboxd"], samples["go"], " ms")


def stub(side, action, number):
    """What containerd executes for each container, as it does it: CPU time in ms, that of the programs it waits for included."""
    bundle = f"{side.dir}/bundle/{number}"
    env = {**side.env, "TTRPC_ADDRESS": side.dir + "/s.ttrpc", "GOMAXPROCS": "2"}
    words = [side.shim, "-namespace", NS + side.name, "-address", side.dir + "/s", "-publish-binary", shutil.which("containerd"),
             "-id", str(number), *(["-bundle", bundle] if action == "delete" else []), action]
    if action == "start":
        os.makedirs(bundle)
        Path(bundle + "/config.json").write_text("{}")
        Path(bundle + "/runtime").write_text(RUNTIME)  # of the Go shim
    out = os.open(bundle + "/out", os.O_CREAT | os.O_RDWR | os.O_TRUNC)
    here = os.getcwd()
    os.chdir(bundle)
    pid = os.posix_spawnp(words[0], words, env, file_actions=[(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                                                              (os.POSIX_SPAWN_DUP2, out, 1), (os.POSIX_SPAWN_DUP2, out, 2)])
    os.chdir(here)
    status, usage = os.wait4(pid, 0)[1:]
    os.close(out)
    if status:
        sys.exit(f"{side.name}: {action}: {read(bundle + '/out')}")
    if action == "start" and side.name == "go":
        end_go_shim(bundle, str(number))
    return (usage.ru_utime + usage.ru_stime) * 1000


def end_go_shim(bundle, number):
    """The process that its start leaves."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if number in read(f"/proc/{pid}/cmdline").split("\0"):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{pid}/cwd") == bundle:
                    os.kill(int(pid), 9)
    Path(read(bundle + "/address").removeprefix("unix://")).unlink(missing_ok=True)


def stubs(sides, rounds=200):
    """They are made known to the daemon of their side, and no container is made."""
    for action in ("start", "delete"):
        compare(f"CPU of the shim's {action}", lambda s, i, a=action: stub(s, a, i), sides, rounds)


def fleet(n, sides):
    charges, wakes = {}, {}
    for side in sides:
        with ThreadPoolExecutor(4) as pool:
            empty = side.charge()
            list(pool.map(lambda i: side.run(f"f{i}", SLEEP, "-d"), range(n)))
            charges[side.name] = (side.charge() - empty) / n
            before = side.switches()
            time.sleep(IDLE_SECONDS)  # this is what is measured
            wakes[side.name] = (side.switches() - before) / IDLE_SECONDS
            list(pool.map(lambda i: side.remove(f"f{i}"), range(n)))
    row(f"charged memory for each of {n} idle containers", charges["sandboxd"], charges["go"], " KiB")
    row(f"wake-ups a second of all shims, {n} idle containers", wakes["sandboxd"], wakes["go"], "")


def main():
    top = tempfile.mkdtemp(prefix="sbx-bench.", dir="/tmp")
    env = {**os.environ, "SANDBOXD_SOCKET": top + "/sock"}
    Path(top + "/options.toml").write_text(f'BinaryName = "{RUNTIME}"\n')
    ours = Side("sandboxd", "io.containerd.sandboxd.v1", ["--runtime-config-path", top + "/options.toml"], top, env)
    theirs = Side("go", "io.containerd.runc.v2", ["--runc-binary", RUNTIME], top, env)
    sides = [ours, theirs]
    try:
        ours.launch("sandboxd-keeper", "--root", top + "/sbx", "--", os.environ["SANDBOXD"], "--root", top + "/sbx", "--socket", top + "/sock")
        for side in sides:
            side.start()
            side.run("warm", TRUE, "--rm")
            side.run("idle", SLEEP, "-d")
        print(f"{RUNTIME}, {ROUNDS} rounds; load {os.getloadavg()[0]:.1f}. Medians, minima in brackets.\n")
        print("| what | sandboxd | containerd-shim-runc-v2 | ratio |\n|---|---|---|---|")
        compare("ctr alone", lambda s, i: timed(s.ctr, "version"), sides)
        compare("ctr run --rm of /bin/true", lambda s, i: timed(s.run, f"r{i}", TRUE, "--rm"), sides)
        compare("ctr task exec of /bin/true", lambda s, i: timed(s.ctr, "task", "exec", "--exec-id", f"e{i}", "idle", *TRUE), sides)
        compare("ctr task kill until the exit event", lambda s, i: kill(s), sides)
        compare("ctr task metrics", lambda s, i: timed(s.ctr, "task", "metrics", "idle"), sides)
        compare("100 containers run and removed, 4 at a time", lambda s, i: timed(storm, s), sides, 3)
        stubs(sides)
        for n in FLEETS:
            fleet(n, sides)
        for side in sides:
            side.remove("idle")
        print(f"\nload at the end {os.getloadavg()[0]:.1f}")
    finally:
        for side in sides:
            side.stop()
        subprocess.run(f"find /sys/fs/cgroup -depth -type d -path '*/{NS}*' -exec rmdir {{}} + 2>/dev/null", shell=True, check=False)
        shutil.rmtree(top, ignore_errors=True)


main()
