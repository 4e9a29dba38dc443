"""A folder in which the documentation's commands run: with a home, a folder for sockets, and the
files and programs that the commands need."""

import os
import pathlib
import pty
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

# The longest time that a command or the start of a server may take, in seconds. It only bounds a
# hang.
LIMIT = 120

RUN_TELPHER = 'while [ "$1" != telpher ]; do shift; done; exec "$@"'

PROGRAMS = {
    # Connects to this machine: runs the command in the home folder, as sshd does.
    "ssh": 'case " $* " in *" -- "*) while [ "$1" != -- ]; do shift; done; shift;; esac; shift; '
           'cd && exec sh -c "$*"',
    # Run the command on this machine.
    "docker": RUN_TELPHER, "kubectl": RUN_TELPHER, "lxc": RUN_TELPHER,
    "hostname": "echo web",
    "make": "echo made; echo warned >&2",
    "pg_dump": "echo dump of $1",
    "uptime": "echo up",
    "vim": "tty",
}


class Sandbox:
    def __init__(self, program):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="telpher-docs-", dir="/tmp"))
        self.home, self.work = self.folder / "home", self.folder / "work"
        self.servers, self.ports = {}, {}
        tools, sockets = self.folder / "bin", self.folder / "run"
        for each in (self.home, self.work, tools):
            each.mkdir()
        sockets.mkdir(mode=0o700)
        (tools / "telpher").symlink_to(program)
        for name, text in PROGRAMS.items():
            (tools / name).write_text(f"#!/bin/sh\n{text}\n")
            (tools / name).chmod(0o755)
        self.environment = {
            # Long enough for the next command, and no process stays for long after the last.
            "TELPHER_KEEP": "5s",
            "HOME": str(self.home), "XDG_RUNTIME_DIR": str(sockets), "LANG": "C.UTF-8",
            "PATH": f"{tools}:{os.environ.get('PATH', '/usr/bin:/bin')}"}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # What was started last may need what was started first.
        for name in reversed(list(self.servers)):
            self.end_server(name)
        shutil.rmtree(self.folder)

    def fill(self, files):
        """Makes files, by their paths in the sandbox."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def with_free_ports(self, command, documented):
        """The command with each documented port replaced by one that is free here, always the
        same one."""
        for port in documented:
            if port in command and port not in self.ports:
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", 0))
                    self.ports[port] = str(probe.getsockname()[1])
            command = command.replace(port, self.ports.get(port, port))
        return command

    def run(self, command, environment, given=""):
        """Runs a line of bash. Returns its exit status and all its output."""
        child = subprocess.Popen(
            ["bash", "-c", f"set -o pipefail\n{command}"], cwd=self.work, text=True,
            errors="replace", env={**self.environment, **environment}, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            output, _ = child.communicate(given, timeout=LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            output, _ = child.communicate()
            return "none: it took too long", output
        return child.returncode, output

    def run_on_terminal(self, command, environment, typed):
        """The same on a terminal of its own, at which `typed` is typed."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.work)
            os.execvpe("bash", ["bash", "-c", command], {**self.environment, **environment})
        hang = threading.Timer(LIMIT, os.kill, (pid, signal.SIGKILL))
        hang.start()
        os.write(terminal, typed.encode())
        output = b""
        try:
            while piece := os.read(terminal, 65536):
                output += piece
        except OSError:  # EIO: no process has the terminal open any more
            pass
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        hang.cancel()
        os.close(terminal)
        return status, output.decode(errors="replace").replace("\r\n", "\n")

    def serve(self, command):
        """Starts a server or a forwarding in the background, after it has ended an earlier one at
        the same address. Returns an error, or None once it listens."""
        words = command.split()
        forwards = words[1] == "forward"
        address = words[words.index("--listen") + 1] if "--listen" in words else "default"
        if forwards:
            address = command
        self.end_server(address)
        child = subprocess.Popen(
            ["bash", "-c", f"exec {command}"], cwd=self.work, text=True, env=self.environment,
            start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            # A forwarding prints its address on standard error.
            stderr=subprocess.STDOUT if forwards else subprocess.PIPE)
        self.servers[address] = child
        hang = threading.Timer(LIMIT, child.kill)
        hang.start()
        line = child.stdout.readline()
        hang.cancel()
        if line.removeprefix("telpher: ").startswith("listening on "):
            return None
        child.kill()
        return f"it does not listen: {line}{child.communicate()[1] or ''}".strip()

    def start(self, command):
        """Starts a command in the background, without the `&` at its end, until the page's end.
        Returns an error, or None once it has printed a line or, if it prints none, at once."""
        words = command.removesuffix("&").strip()
        child = subprocess.Popen(
            ["bash", "-c", f"exec {words}"], cwd=self.work, text=True, env=self.environment,
            start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        self.servers[command] = child
        if not words.startswith("telpher "):
            return None
        hang = threading.Timer(LIMIT, child.kill)
        hang.start()
        line = child.stdout.readline()
        hang.cancel()
        return None if line else "it ends without a word"

    def end_server(self, address):
        child = self.servers.pop(address, None)
        if not child:
            return
        child.send_signal(signal.SIGINT)
        try:
            child.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
