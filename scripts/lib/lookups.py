"""Checks that a program finds users and hosts: `lookups.py PROGRAM`.

A static program contains the parts of glibc that read /etc/passwd, /etc/hosts and ask DNS servers;
it needs no library for them. The home folder of the user and the address of localhost must be found
as this interpreter, which is dynamic, finds them. The exit status is 0 if they are.
"""

import json
import os
import pwd
import socket
import subprocess
import sys
import tempfile
import threading


def fail(reason: str) -> None:
    sys.exit(f"lookups: {reason}")


def check_user(program: str, folder: str) -> None:
    """Without $HOME, relative paths start in the home folder of the password database."""
    home = os.stat(pwd.getpwuid(os.geteuid()).pw_dir)
    environment = {"XDG_RUNTIME_DIR": folder}
    output = subprocess.run(
        [program, "stat", "--json", "."], env=environment, stdout=subprocess.PIPE, timeout=60)
    if output.returncode != 0:
        fail("the home folder was not found")
    entry = json.loads(output.stdout)
    if (entry["mode"], entry["mtime_ns"]) != (home.st_mode & 0o7777, home.st_mtime_ns):
        fail("another folder than that of the password database is the home folder")


def check_unknown_user(program: str) -> None:
    """A user that is not in the password database starts a server without $HOME."""
    if os.geteuid() != 0:
        return
    server = subprocess.run(
        [program, "serve", "--listen", "stdio"], env={}, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60, user=12_345, group=12_345,
        extra_groups=[])
    if server.returncode < 0:
        fail(f"signal {-server.returncode} ended a server of an unknown user")


def answer_one(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    connection.sendall(b"found")
    connection.close()


def check_host(program: str, folder: str) -> None:
    """A server connects to a name that it looks up."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(60)
    threading.Thread(target=answer_one, args=(listener,), daemon=True).start()
    port = listener.getsockname()[1]
    address = f"unix:{folder}/server.sock"
    server = subprocess.Popen(
        [program, "serve", "--listen", address], stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL)
    forward = None
    try:
        # The first line says that the server listens.
        if not server.stdout.readline():
            fail("the server did not start")
        forward = subprocess.Popen(
            [program, "forward", "--on", address, "0", f"localhost:{port}"],
            stderr=subprocess.PIPE)
        # "telpher: listening on tcp:127.0.0.1:PORT"
        line = forward.stderr.readline().decode()
        if "listening on" not in line:
            fail(f"the forwarding did not start: {line}")
        local = int(line.rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", local), timeout=60) as connection:
            if connection.recv(5, socket.MSG_WAITALL) != b"found":
                fail("the host localhost was not found")
    finally:
        for process in (forward, server):
            if process is not None:
                process.terminate()
                process.wait()


def main(arguments: list[str]) -> None:
    if len(arguments) != 1:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        check_user(arguments[0], folder)
        check_unknown_user(arguments[0])
        check_host(arguments[0], folder)


main(sys.argv[1:])
