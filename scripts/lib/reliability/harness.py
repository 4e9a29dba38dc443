"""Shared code of the provocations: a temporary folder, servers and commands that are ended by their
process ids, measurements of processes, and the list of promises.

A provocation is a function with the decorator `promise` that tries to break one promise. It returns
the result for the page. It raises `Broken` if the promise does not hold, and `Untried` if this
machine cannot run the provocation.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

# The user `nobody`: the provocations use it as "another user" and as "an ordinary user".
OTHER_USER = 65534
# The longest time, in seconds, that a call of a provocation waits; then the provocation fails.
HANG = 60


class Broken(Exception):
    """The promise does not hold; the message says what happened instead."""


class Untried(Exception):
    """The provocation cannot run on this machine; the message says what it needs."""


class Promise:
    def __init__(self, run, text, provocation, test):
        self.run = run
        self.name = run.__name__.replace("_", "-")
        self.group = run.__module__
        self.text = text
        self.provocation = provocation
        self.test = test


PROMISES = []


def promise(text, provocation, test):
    """Adds a provocation to the list. `test` is a file in Tests that tests the same promise."""

    def add(run):
        PROMISES.append(Promise(run, text, provocation, test))
        return run

    return add


def end(pids, number):
    """Sends a signal to processes, some of which may have ended meanwhile."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def check(holds, figure):
    if not holds:
        raise Broken(figure)


def until(condition, seconds=10, what="a condition"):
    """Waits until `condition()` is true, and returns its value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Broken(f"waited {seconds} s in vain for {what}")
        time.sleep(0.01)


def need_root():
    if os.geteuid() != 0:
        raise Untried("it needs root, to act as another user")


def need_program(name):
    found = shutil.which(name)
    if not found:
        raise Untried(f"it needs {name}")
    return found


# Measurements of processes.


def status_kib(pid, key):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1])
    raise Broken(f"process {pid} has no {key}: it has ended")


def memory_mib(pid):
    """The resident memory of a process."""
    return status_kib(pid, "VmRSS") / 1024


def peak_mib(pid):
    """The peak resident memory of a process."""
    return status_kib(pid, "VmHWM") / 1024


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def processor_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children(pid):
    """The child processes of `pid`, including zombies."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            found += (task / "children").read_text().split()
        except OSError:
            pass
    return [int(child) for child in found]


def processes_with(marker):
    """The processes with `marker` in their command line, except zombies."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if marker.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            pass
    return found


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


class Process:
    """A program that runs in the background and is ended by its process id."""

    def __init__(self, arguments, log, **options):
        self.log = pathlib.Path(log)
        with open(log, "wb") as errors:
            self.popen = subprocess.Popen(
                arguments, stdin=options.pop("stdin", subprocess.DEVNULL),
                stdout=options.pop("stdout", subprocess.PIPE), stderr=errors, **options)
        self.pid = self.popen.pid

    def kill(self, number=signal.SIGKILL):
        if self.popen.poll() is None:
            os.kill(self.pid, number)

    def wait(self, seconds=HANG):
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Broken(f"process {self.popen.args[0]} did not end within {seconds} s") from None

    def is_alive(self):
        return self.popen.poll() is None

    def errors(self):
        return self.log.read_bytes().decode(errors="replace")

    def close(self):
        self.kill()
        self.popen.wait()
        if self.popen.stdout:
            self.popen.stdout.close()


class Server(Process):
    """A server command of the program that prints the addresses where it listens."""

    def __init__(self, arguments, log, **options):
        super().__init__(arguments, log, **options)
        self.addresses = []

    def await_addresses(self, count):
        for _ in range(count):
            line = self.popen.stdout.readline().decode()
            if not line.startswith("listening on "):
                raise Broken(f"the server does not start: {self.errors().strip()[-200:]}")
            self.addresses.append(line.removeprefix("listening on ").strip())

    @property
    def path(self):
        """The path of its Unix socket."""
        return next(a.removeprefix("unix:") for a in self.addresses if a.startswith("unix:"))

    @property
    def port(self):
        """Its TCP port, on 127.0.0.1."""
        return int(next(a for a in self.addresses if not a.startswith("unix:")).rsplit(":", 1)[1])


class Certificates:
    """A certificate authority in a folder, and the certificate of one client."""

    def __init__(self, folder):
        openssl = need_program("openssl")
        self.authority, self.certificate, self.key = (
            folder / name for name in ("ca.pem", "client.pem", "client.key"))
        (folder / "names").write_text("subjectAltName = DNS:client\n")
        for line in (
            "req -x509 -newkey ed25519 -nodes -keyout ca.key -out ca.pem -subj /CN=ca -days 30",
            "req -new -newkey ed25519 -nodes -keyout client.key -out client.csr -subj /CN=client",
            "x509 -req -in client.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out client.pem "
            "-days 1 -extfile names",
        ):
            made = subprocess.run([openssl, *line.split()], cwd=folder, capture_output=True)
            check(made.returncode == 0, f"openssl {line}: {made.stderr.decode()}")


class Lab:
    """The environment of one provocation. Leaving it ends every process that it started."""

    number = 0

    def __init__(self, program, quick):
        self.quick = quick
        Lab.number += 1
        # Mode 711: some provocations act as another user, who must be able to reach files in it.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="telpher-reliability-"))
        os.chmod(self.folder, 0o711)
        self.program = str(program)
        self.running = []
        # Part of the command line of every long-running process that a provocation starts, so that
        # the process can be found and ended.
        self.marker = f"86400.{os.getpid():07}{Lab.number:03}"
        for name in ("home", "run"):
            (self.folder / name).mkdir()
            os.chmod(self.folder / name, 0o700)
        self.environment = {
            "TELPHER_KEEP": "0",
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8",
            "HOME": str(self.folder / "home"), "XDG_RUNTIME_DIR": str(self.folder / "run"),
            "XDG_CONFIG_HOME": str(self.folder / "home/.config"),
        }

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.running):
            process.close()
        end(processes_with(self.marker), signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def of(self, full, quick):
        """Returns `full` or `quick`, depending on the kind of run."""
        return quick if self.quick else full

    def path(self, *parts):
        path = self.folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def folder_of(self, user, name):
        """A folder of the lab that belongs to `user`."""
        path = self.path(name)
        path.mkdir(exist_ok=True)
        os.chown(path, user, user)
        return path

    # Programs.

    def as_user(self, user, arguments):
        """Arguments that run `arguments` as another user."""
        need_root()
        return [need_program("setpriv"), "--reuid", str(user), "--regid", str(user),
                "--clear-groups", *arguments]

    def start(self, arguments, name="process", **options):
        process = Process(
            arguments, self.path(f"{name}-{len(self.running)}.log"),
            env=options.pop("env", self.environment), **options)
        self.running.append(process)
        return process

    def serve(self, *arguments, tcp=False, authority=None, root=None, user=None, wrap=(), name="serve",
              environment=None, confined=True, **options):
        """Starts a server on a Unix socket, and on TCP if `tcp`, or with TLS for the certificates of
        `authority`. Its files are in `self.root`; without `confined` it has no root, so that it also
        forwards connections."""
        owner = os.geteuid() if user is None else user
        folder = self.folder_of(owner, f"s{len(self.running)}")
        if root is None:
            root = self.folder_of(owner, f"s{len(self.running)}/root")
        self.root = pathlib.Path(root)
        command = [self.program, "serve", "--listen", f"unix:{folder}/socket"]
        if confined:
            command += ["--root", str(root)]
        if tcp:
            command += ["--listen", "tcp:127.0.0.1:0", "--token-file", str(folder / "token")]
            self.token_file = folder / "token"
        if authority is not None:
            command += ["--listen", "tls:127.0.0.1:0", "--host-key-file", str(folder / "host_key"),
                        "--client-ca", str(authority)]
        command = [*wrap, *command, *arguments]
        if user is not None and user != os.geteuid():
            command = self.as_user(user, command)
        count = 1 + bool(tcp) + (authority is not None)
        return self._serving(command, name, count, environment, options)

    def classic(self, dialect, *arguments, name="classic", **options):
        """Starts `telpher classic serve DIALECT` on a free TCP port."""
        command = [self.program, "classic", "serve", dialect, "--listen", "tcp:127.0.0.1:0",
                   "--i-know", *arguments]
        return self._serving(command, name, 1, None, options)

    def _serving(self, command, name, count, environment, options):
        server = Server(
            command, self.path(f"{name}-{len(self.running)}.log"),
            env={**self.environment, **(environment or {})}, **options)
        self.running.append(server)
        server.await_addresses(count)
        return server

    def telpher(self, *arguments, on=None, user=None, timeout=HANG, wrap=(), input=None,
                environment=None, **options):
        """Runs the program until it ends; returns its status, output and errors."""
        command = [self.program, *map(str, arguments)]
        if on is not None:
            place = command.index("--") if "--" in command else len(command)
            command[place:place] = ["--on", on]
        command = [*wrap, *command]
        if user is not None and user != os.geteuid():
            command = self.as_user(user, command)
        if input is None:
            options.setdefault("stdin", subprocess.DEVNULL)
        else:
            options["input"] = input
        try:
            return subprocess.run(
                command, capture_output=True, timeout=timeout,
                env={**self.environment, **(environment or {})}, **options)
        except subprocess.TimeoutExpired:
            raise Broken(f"telpher {arguments[0]} did not end within {timeout} s") from None

    def run(self, *command, on, options=(), **rest):
        """Runs a command on a server by `telpher run`."""
        return self.telpher("run", *options, "--", *command, on=f"unix:{on.path}", **rest)

    def start_run(self, *command, on, options=()):
        """Starts `telpher run`; the process that it returns is the client."""
        return self.start([self.program, "run", "--on", f"unix:{on.path}", *options, "--",
                           *command], name="client")

    def start_shell(self, script, on):
        """As `start_run`, for a script that first writes `here`; waits for that."""
        client = self.start_run("sh", "-c", script, on=on)
        check(os.read(client.popen.stdout.fileno(), 5) == b"here\n", "the command did not start")
        return client

    def gone(self, marker=None, seconds=10):
        """Waits until no process has the marker; returns how many seconds that took."""
        begin = time.monotonic()
        marker = marker or self.marker
        deadline = begin + seconds
        while processes_with(marker):
            if time.monotonic() > deadline:
                raise Broken(f"{len(processes_with(marker))} processes still run after {seconds} s")
            time.sleep(0.01)
        return time.monotonic() - begin
