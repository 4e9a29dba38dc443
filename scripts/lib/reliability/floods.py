"""Promises about floods. While a flood of one kind runs, a normal client runs commands. These
provocations measure how long the commands take, and check that each is answered correctly. A flood
runs in a separate process (`flooder.py`)."""

import os
import pathlib
import socket
import ssl
import sys
import time

import wire
from harness import HANG, Certificates, check, percentile, promise

FLOODER = pathlib.Path(__file__).with_name("flooder.py")

# During a flood, the 99th percentile of the commands' times must stay below this multiple of the
# one without a flood.
MOST = 5


def work(operation, seconds):
    """Repeats an operation for some seconds; returns how many milliseconds each took."""
    times = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        begin = time.monotonic()
        operation()
        times.append((time.monotonic() - begin) * 1000)
    return times


def command(server):
    """An operation: one command on a new connection."""
    return lambda: wire.run_true(server.path)


def stat_and_command(server):
    """An operation: a `stat` and a command on a new connection."""

    def operation():
        with wire.Client(server.path) as client:
            result, _ = client.call({"op": "stat", "path": "f"})
            check(result["result"] == "ok", f"a concurrent stat: {result}")
            result, _ = client.call(wire.run_request("true"))
            check(result.get("code") == 0, f"a concurrent command: {result}")

    return operation


def command_over_tls(server):
    """An operation: one command on a new connection with TLS, from another address than 127.0.0.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(server.certificates.certificate, server.certificates.key)

    def connect():
        return context.wrap_socket(socket.create_connection(
            ("127.0.0.1", server.port), HANG, source_address=("127.0.0.2", 0)))

    return lambda: wire.run_true(connect)


def flood(lab, kind, operation=command, over="unix", lead=0):
    # In a quick run the flood is short, so the percentile varies much on a busy machine: the best
    # of three counts.
    best = None
    for _ in range(lab.of(1, 3)):
        figure, ratio = _once(lab, kind, operation, over, lead)
        if best is None or ratio < best[1]:
            best = figure, ratio
        if best[1] < MOST:
            break
    check(best[1] < MOST, best[0])
    return best[0]


def _once(lab, kind, operation, over, lead):
    if over == "tls":
        certificates = Certificates(lab.folder)
        server = lab.serve(authority=certificates.authority)
        server.certificates = certificates
    else:
        server = lab.serve(tcp=True)
    (lab.root / "f").write_bytes(bytes(8 << 20))
    (lab.root / "d").mkdir()
    operation = operation(server)
    work(operation, 0.3)
    idle = percentile(work(operation, lab.of(10, 1.5)), 0.99)
    seconds = lab.of(60, 3)
    address = server.path if over == "unix" else str(server.port)
    # The flood runs with a lower priority, since the promise is about how the server handles it and
    # not about how the kernel shares the processors between two programs.
    flooder = lab.start([sys.executable, str(FLOODER), kind, address, str(seconds + lead)],
                        name="flood",
                        preexec_fn=lambda: os.nice(10))
    check(flooder.popen.stdout.readline() == b"begins\n", f"the flood: {flooder.errors()}")
    first = work(operation, lead)
    times = work(operation, seconds)
    rest = flooder.popen.communicate(timeout=30)[0].decode().split()
    check(flooder.popen.returncode == 0 and rest, f"the flood: {flooder.errors()[-300:]}")
    check(server.is_alive(), "the server has ended")
    count, what = int(rest[0]), rest[1].replace("-", " ")
    loaded = percentile(times, 0.99)
    server.close()
    figure = (f"{count:,} {what} in {seconds} s; {len(times):,} operations meanwhile: p99 "
              f"{loaded:.1f} ms, idle {idle:.1f} ms, {loaded / idle:.1f} times")
    if first:
        figure += f"; in the first {lead} s the longest took {max(first):.0f} ms"
    return figure, loaded / idle


def declare(kind, text, provocation, **options):
    def run(lab):
        return flood(lab, kind, **options)

    run.__name__ = "flood_" + kind
    run.__module__ = __name__
    promise(f"{text}: a normal client's p99 stays below {MOST} times idle.", provocation, None)(run)


declare("junk", "Random bytes on TCP", "connections that send 64 random bytes, one after the other",
        over="tcp")
declare("halfopen", "Half-open HELLOs",
        "up to 512 TCP connections that stop in the middle of their HELLO, reopened when closed",
        over="tcp")
declare("tokens", "Wrong tokens", "TCP connections that send a HELLO and a wrong proof, one after the other", over="tcp")
declare("handshakes", "Slow TLS handshakes from one address",
        "2,000 TLS connections at a time that send nothing, or a byte of a handshake each second; "
        "each that the server closes is opened again a second later; the client uses TLS from "
        "another address", operation=command_over_tls, over="tls", lead=2)
declare("reset", "OPEN and RESET",
        "OPEN of `sleep`, directly followed by RESET, over one connection")
declare("gets", "`get` with a window of 0",
        "1,024 of them at once, reset and reopened; the client calls `stat` and runs commands",
        operation=stat_and_command)
declare("announce", "Announcements of put_tree",
        "announced files with long paths, over 16 streams, reopened when ended; the client calls "
        "`stat` and runs commands", operation=stat_and_command)
declare("ping", "PINGs", "PINGs over one connection that reads the answers")
declare("malformed", "Malformed frames",
        "connections of the server's own user that send randomly changed frames")
