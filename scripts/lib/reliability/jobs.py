"""Promises about durable jobs: they survive their clients and servers, run once, and lose no output
silently."""

import contextlib
import hashlib
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import wire
from files import small_disk
from harness import HANG, Broken, check, end, peak_mib, processes_with, promise, until

PROXY = (pathlib.Path(__file__).resolve().parents[3]
         / "Tests/TelpherCLITests/Jobs/Programs/cutting_proxy.py")


def jobs_folder(lab):
    return lab.folder / "jobs"


def hosts(lab, folder=None):
    """The process that keeps the jobs of a folder, in a list."""
    return [pid for pid in processes_with(str(folder or jobs_folder(lab)))
            if b"job-host" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()]


@contextlib.contextmanager
def job_server(lab, folder=None):
    """Calls the body with a function that starts a server; ends the process of its jobs after it."""
    folder = folder or jobs_folder(lab)
    try:
        yield lambda: lab.serve("--jobs", folder, confined=False)
    finally:
        for process in lab.running:
            process.close()
        end(hosts(lab, folder), signal.SIGTERM)
        until(lambda: not hosts(lab, folder), 20, "the end of the job host")


def start_job(lab, server, *command, options=()):
    started = lab.telpher("run", "--detach", *options, "--", *command, on=f"unix:{server.path}")
    check(started.returncode == 0, f"no job: {started.stderr.decode()[-200:]}")
    return started.stdout.decode().strip()


@promise(
    "A durable job survives the kill of its server at any moment: its output and status are complete.",
    "kill -9 of the server at a random moment of a job with 7 MB of output (100 times, 10 with "
    "--quick); a new server shows the output and the status",
    "TelpherCLITests/Jobs/DetachedJobTests.swift")
def killed_server_jobs(lab):
    rounds = lab.of(100, 10)
    expected = hashlib.sha256(subprocess.run(["seq", "1000000"], capture_output=True).stdout)
    with job_server(lab) as serve:
        server = serve()
        for _ in range(rounds):
            job = start_job(lab, server, "sh", "-c", "seq 1000000; exit 7")
            time.sleep(random.uniform(0, 0.1))
            server.kill()
            server.wait()
            server = serve()
            ended = lab.telpher("attach", job, on=f"unix:{server.path}")
            check(ended.returncode == 7, f"status {ended.returncode}: {ended.stderr.decode()[-200:]}")
            check(hashlib.sha256(ended.stdout).digest() == expected.digest(), "the output differs")
            lab.telpher("forget", job, on=f"unix:{server.path}")
    return f"{rounds} kills: every output and status complete"


@promise(
    "A job goes on when its disk is full, and what could not be kept is reported.",
    "a job with 14 MB of output, whose folder is on a tmpfs of 3 MiB: its status, and what `logs` "
    "says about the output",
    "TelpherJournalTests/JournalFaultTests.swift")
def full_job_disk(lab):
    output = subprocess.run(["seq", "2000000"], capture_output=True).stdout
    with small_disk(lab, "size=3m,mode=700") as disk, job_server(lab, disk) as serve:
        server = serve()
        job = start_job(lab, server, "sh", "-c", "seq 2000000; exit 7")
        ended = lab.telpher("wait", job, on=f"unix:{server.path}")
        check(ended.returncode == 7, f"status {ended.returncode}: {ended.stderr.decode()[-200:]}")
        shown = lab.telpher("logs", job, on=f"unix:{server.path}")
        missing = [int(line.split()[1]) for line in shown.stderr.decode().splitlines()
                   if "could not be written" in line]
        check(missing and sum(missing) + len(shown.stdout) == len(output),
              f"{len(shown.stdout)} bytes and {missing} of {len(output)}")
        check(shown.returncode == 125, f"logs: status {shown.returncode}")
        check(output.startswith(shown.stdout[:100_000]), "the output differs")
    return f"status 7; {len(shown.stdout):,} bytes kept, {sum(missing):,} reported as not written"


@promise(
    "The memory for a job does not depend on its output, which its journal bounds.",
    "a job with 10 GiB of output (256 MiB with --quick) and a journal of 64 MiB: the peak memory of "
    "its host and of the server, and the size of the journal",
    "TelpherJournalTests/JournalModelTests.swift")
def job_memory(lab):
    mib = lab.of(10 << 10, 256)
    with job_server(lab) as serve:
        server = serve()
        start_job(lab, server, "true")
        host = until(lambda: hosts(lab), what="the job host")[0]
        before = peak_mib(host)
        job = start_job(lab, server, "sh", "-c", f"yes | head -c {mib << 20}")
        ended = lab.telpher("wait", job, on=f"unix:{server.path}", timeout=600)
        check(ended.returncode == 0, f"status {ended.returncode}")
        size = sum(path.stat().st_size for path in (jobs_folder(lab) / job).rglob("*")
                   if path.is_file()) / (1 << 20)
        peak = peak_mib(host)
        check(size <= 65, f"the job takes {size:.0f} MiB of the disk")
        check(peak < before + 40, f"the host's peak memory grew from {before:.0f} to {peak:.0f} MiB")
        check(peak_mib(server.pid) < 100, f"the server has {peak_mib(server.pid):.0f} MiB")
    return (f"{mib:,} MiB of output: {size:.0f} MiB on the disk; the host's peak memory is "
            f"{peak:.0f} MiB, {before:.0f} before")


@promise(
    "`run --reconnect` loses and repeats no byte, wherever the connection is cut.",
    "100 MiB of output over a proxy that cuts the connection at 200 random offsets (10 MiB and 20 "
    "with --quick); 10 MiB of input in the same way",
    "TelpherCLITests/Jobs/ReconnectTests.swift")
def reconnect(lab):
    lines, cuts = lab.of((13_000_000, 200), (1_300_000, 20))
    expected = subprocess.run(["seq", str(lines)], capture_output=True).stdout
    with job_server(lab) as serve:
        server = serve()
        near = lab.path("near")
        longest = 2 * len(expected) // cuts
        proxy = lab.start([sys.executable, PROXY, near, server.path, "1", str(longest), str(cuts)])
        check(proxy.popen.stdout.readline() == b"listening\n", "the proxy does not listen")
        ended = lab.telpher("run", "--reconnect", "--", "sh", "-c", f"seq {lines}; exit 7",
                            on=f"unix:{near}", timeout=300)
        check(ended.returncode == 7, f"status {ended.returncode}: {ended.stderr.decode()[-200:]}")
        check(ended.stdout == expected, f"{len(ended.stdout)} bytes, not as they were written")
        data = expected[:10 << 20]
        echoed = lab.telpher("run", "--reconnect", "-i", "--", "sha256sum", on=f"unix:{near}",
                             input=data, timeout=300)
        check(echoed.stdout.decode().split() == [hashlib.sha256(data).hexdigest(), "-"],
              f"the input differs: {echoed.stderr.decode()[-200:]}")
        proxy.kill()
        proxy.wait()
        number = proxy.popen.stdout.read().count(b"cut")
    return f"{len(expected) >> 20} MiB of output and {len(data) >> 20} MiB of input, {number} cuts: exact"


@promise(
    "A command with a job id runs at most once, whatever dies meanwhile.",
    "`run --reconnect` of a command that adds a line to a file, with kill -9 of the server at a "
    "random moment (100 times, 10 with --quick): the lines",
    "TelpherCLITests/Jobs/JobRequestTests.swift")
def repeated_job(lab):
    rounds = lab.of(100, 10)
    marks = lab.path("marks")
    folder = lab.path("fixed")
    folder.mkdir()
    command = [lab.program, "serve", "--listen", f"unix:{folder}/socket", "--jobs",
               str(jobs_folder(lab))]
    with job_server(lab):
        for number in range(rounds):
            server = lab._serving(command, "serve", 1, None, {})
            client = lab.start(
                [lab.program, "run", "--reconnect=30s", "--on", f"unix:{folder}/socket", "--", "sh",
                 "-c", f"echo {number} >>{marks}; echo done; exit 7"], name="client")
            time.sleep(random.uniform(0, 0.05))
            server.kill()
            server.wait()
            server = lab._serving(command, "serve", 1, None, {})
            status = client.wait(HANG)
            # A client that had no connection yet has asked for nothing.
            check(status in (7, 125), f"status {status}: {client.errors()[-200:]}")
            found = marks.read_text().split().count(str(number)) if marks.exists() else 0
            check(found == 1 if status == 7 else found <= 1,
                  f"the command ran {found} times, status {status}")
            server.kill()
            server.wait()
    total = len(marks.read_text().split()) if marks.exists() else 0
    return f"{rounds} kills: {total} commands ran once, none twice"


def ask(server, request):
    """Sends a request about a job, again if its connection breaks, and returns the result."""
    limit = time.monotonic() + HANG
    while time.monotonic() < limit:
        try:
            with wire.Client(str(server.path)) as client:
                result, _ = client.call(request)
        except (OSError, wire.Ended):
            continue
        if result["result"] != "reset":
            return result
    raise Broken("the request was never answered")


@promise(
    "Whatever is killed while a job runs, its id never runs twice, and its status is never made up.",
    "kill -9 of the server, of the process that keeps the jobs, or of an attached client at a random "
    "moment (200 times, 12 with --quick); the same request again; then the status, the output and "
    "the number of runs",
    "TelpherCLITests/Jobs/ManyJobsTests.swift")
def killed_at_random(lab):
    rounds = lab.of(200, 12)
    choose = random.Random(17)
    expected = subprocess.run(["seq", "200000"], capture_output=True).stdout
    marks = lab.path("runs")
    counts = {"server": 0, "job host": 0, "client": 0}
    unknown = 0
    with job_server(lab) as serve:
        server = serve()
        for number in range(rounds):
            job = f"{choose.getrandbits(128):032x}"
            request = {"op": "run", "job": job, "detach": True, "argv": [
                "sh", "-c", f"echo {number} >>{marks}; seq 100000; sleep 0.05; seq 100001 200000; exit 7"]}
            ask(server, request)
            client = lab.start([lab.program, "attach", "--on", f"unix:{server.path}", job],
                               name="client", stdout=subprocess.DEVNULL)
            victim = choose.choice(sorted(counts))
            counts[victim] += 1
            time.sleep(choose.uniform(0, 0.06))
            if victim == "server":
                server.kill()
                server.wait()
                server = serve()
            elif victim == "client":
                client.kill()
            else:
                end(hosts(lab), signal.SIGKILL)
            again = ask(server, request)
            ended = lab.telpher("wait", job, on=f"unix:{server.path}")
            shown = lab.telpher("logs", job, on=f"unix:{server.path}")
            runs = marks.read_text().split().count(str(number))
            check(runs == 1, f"round {number}: the command ran {runs} times ({victim})")
            if ended.returncode == 7:
                check(shown.stdout == expected, f"round {number}: the output differs ({victim})")
            else:
                check(victim == "job host" and ended.returncode == 125
                      and again["result"] == "unknown",
                      f"round {number}: status {ended.returncode}, {again} ({victim})")
                check(expected.startswith(shown.stdout), f"round {number}: the output differs")
                unknown += 1
            client.wait(HANG)
            client.close()
            lab.telpher("forget", job, on=f"unix:{server.path}")
    return (f"{', '.join(f'{count} times the {name}' for name, count in sorted(counts.items()))}: "
            f"each command ran once; {unknown} ends were reported as unknown, the others exactly")
