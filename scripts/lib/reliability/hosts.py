"""Promises about commands on many hosts."""

import contextlib
import os

from harness import HANG, Broken, check, peak_mib, promise

# Each server stands for several hosts.
SERVERS = 20
# Without the line's end.
LINE = 999
# What the client and a server may need at most, in MiB. The client has 64 hosts at once, whose windows
# are 1 MiB each.
CLIENT_LIMIT, SERVER_LIMIT = 192, 64


@promise(
    "The memory of `telpher on` depends neither on the number of hosts nor on how much they print, and "
    "no byte of theirs is lost.",
    "1,000 hosts (100 with --quick) on 20 servers, each of which prints 100 MB (1 MB with --quick): the "
    "number of bytes and lines that come out, and the peak memory of the client and of each server",
    "TelpherCLITests/FanningOut/FanOutTests.swift")
def many_hosts(lab):
    count, lines = lab.of(1_000, 100), lab.of(100_000, 1_000)
    servers = [lab.serve(confined=False) for _ in range(SERVERS)]
    hosts = lab.path("hosts")
    hosts.mkdir()
    for number in range(1, count + 1):
        (hosts / f"h{number:04}").symlink_to(servers[number % SERVERS].path)
    client = lab.start(
        [lab.program, "on", f"h[0001-{count:04}]", "--address", f"unix:{hosts}/%h", "--", "sh", "-c",
         f"yes {'x' * LINE} | head -n {lines}"], name="client")
    output = client.popen.stdout.fileno()
    size, ends, peak = 0, 0, 0
    while chunk := os.read(output, 1 << 20):
        size += len(chunk)
        ends += chunk.count(b"\n")
        # It may have ended, with what it wrote still in the pipe.
        with contextlib.suppress(Broken):
            peak = max(peak, peak_mib(client.pid))
    status = client.wait(HANG)
    check(status == 0, f"status {status}: {client.errors().strip()[-300:]}")
    # Each line comes with the name of its host: "h0001: ".
    expected = count * lines
    check((size, ends) == (expected * (len("h0001: ") + LINE + 1), expected),
          f"{size} bytes in {ends} lines instead of {expected}")
    most = max(peak_mib(server.pid) for server in servers)
    if peak > CLIENT_LIMIT or most > SERVER_LIMIT:
        raise Broken(f"peak memory: the client {peak:.0f} MiB, a server {most:.0f} MiB")
    return (f"{count:,} hosts, {expected * (LINE + 1) / 1e9:.1f} GB, {ends:,} lines; peak memory: the "
            f"client {peak:.0f} MiB, a server {most:.0f} MiB at most")
