"""Runs a test command with a time limit: `limited.py SECONDS COMMAND...`.

Its output goes through a pseudo-terminal, so a line is printed as soon as it is written. After the
limit every process of the command is killed, the tests that had not ended are named, and the exit
status is 124. Else the status is the command's.
"""

import ctypes
import os
import pty
import re
import selectors
import signal
import subprocess
import sys
import time

PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
REAP_INTERVAL = 0.05  # seconds
STYLE = re.compile(rb"\x1b\[[0-9;]*m")
# A line of Swift Testing, whose names of tests contain no space.
TEST = re.compile(rb"^\W*Test (?!case )(\S+) (?:with \d+ test cases? )?(started|passed|failed|skipped)")


def descendants() -> list[int]:
    """The processes below this one. As a subreaper it is also the ancestor of orphans."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                parents[int(name)] = int(file.read().rpartition(b")")[2].split()[1])
        except OSError:
            pass  # It has ended.
    found = [os.getpid()]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found[1:]


def reap_orphans(child: int) -> None:
    """Reaps the orphans that have ended, as the init process would, but not `child`."""
    while True:
        # Looks first: the child's status is for its own wait.
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None or ended.si_pid == child:
            return
        os.waitpid(ended.si_pid, 0)


def kill_descendants() -> None:
    """Kills processes until none is left, since they may start others meanwhile."""
    deadline = time.monotonic() + 30
    while (pids := descendants()) and time.monotonic() < deadline:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return


def main() -> int:
    limit = float(sys.argv[1])
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    control, terminal = pty.openpty()
    child = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal)
    os.close(terminal)
    deadline = time.monotonic() + limit
    unfinished: dict[bytes, None] = {}
    rest = b""
    exited = os.pidfd_open(child.pid)
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        selector.register(exited, selectors.EVENT_READ)
        while True:
            left = deadline - time.monotonic()
            ready = [key.fd for key, _ in selector.select(min(max(0, left), REAP_INTERVAL))]
            reap_orphans(child.pid)
            if not ready:
                if left <= 0:
                    break
                continue
            if control not in ready:
                # All output was read. A process that the command left may still hold the terminal.
                return child.wait()
            try:
                data = os.read(control, 65_536)
            except OSError:  # EIO: no process holds the terminal any more.
                return child.wait()
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                line = STYLE.sub(b"", line.rstrip(b"\r"))
                sys.stdout.buffer.write(line + b"\n")
                if match := TEST.match(line):
                    if match[2] == b"started":
                        unfinished[match[1]] = None
                    else:
                        unfinished.pop(match[1], None)
            sys.stdout.buffer.flush()
    print(f"still running after {limit:.0f} s and killed: {' '.join(sys.argv[2:])}")
    for name in unfinished:
        print(f"this test had not ended: {name.decode(errors='replace')}")
    sys.stdout.flush()
    kill_descendants()
    return 124


status = main()
sys.exit(128 - status if status < 0 else status)
