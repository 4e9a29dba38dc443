"""Promises about commands: their status, their output and their end."""

import hashlib
import os
import resource
import signal
import time

import wire
from harness import (Broken, check, children, descriptors, end, memory_mib, need_program,
                     processes_with, processor_seconds, promise, until)

# A tree with every kind of process that a command can leave behind: a plain child, one in its own
# session, and one without a parent and without an environment. Each has the marker in its
# arguments.
TREE = ("trap '' TERM; sleep {m} & setsid sleep {m} & (env -i setsid -f sleep {m}) ; "
        "(setsid sh -c 'setsid sleep {m} & exit'); while :; do sleep {m}; done")


def await_tree(lab, count=4):
    until(lambda: len(processes_with(lab.marker)) >= count, what="the command's processes")


@promise(
    "The exit status is exactly the command's.",
    "`telpher run` of commands that end with every status from 0 to 255 (every fifth with --quick) "
    "and by every fatal signal",
    "TelpherCLITests/RunStatusTests.swift")
def exit_status(lab):
    server = lab.serve()
    step = lab.of(1, 5)
    wrong = []
    codes = range(0, 256, step)
    for code in codes:
        ended = lab.run("sh", "-c", f"exit {code}", on=server)
        if ended.returncode != code:
            wrong.append((code, ended.returncode))
    # Signals that by default are ignored, or stop or continue a process, do not end it.
    harmless = {signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH, signal.SIGCONT, signal.SIGSTOP,
                signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
    signals = [number for number in signal.Signals if number < 32 and number not in harmless]
    for number in signals:
        ended = lab.run("sh", "-c", f"ulimit -c 0; kill -{int(number)} $$", on=server)
        if ended.returncode != 128 + number:
            wrong.append((f"signal {int(number)}", ended.returncode))
    figure = f"{len(codes)} statuses and {len(signals)} signals, {len(wrong)} reported wrongly"
    check(not wrong, f"{figure}: {wrong[:3]}")
    return figure


@promise(
    "A command that cannot be started is reported as such, and no other command runs instead.",
    "a missing program (status 127), one that may not be executed (126), a missing or removed "
    "working directory (125, and the command must not have run)",
    "TelpherCLITests/RunStatusTests.swift")
def not_started(lab):
    server = lab.serve()
    plain = lab.path("plain")
    plain.write_text("#!/bin/sh\n")
    os.chmod(plain, 0o644)
    witness = lab.path("witness")
    removed = lab.path("removed")
    removed.mkdir()
    cases = [
        (["/nowhere/program"], [], 127, {}),
        ([str(plain)], [], 126, {}),
        (["touch", str(witness)], ["--cwd", str(lab.path("missing"))], 125, {}),
    ]
    for command, options, status, rest in cases:
        ended = lab.run(*command, on=server, options=options, **rest)
        check(ended.returncode == status, f"status {ended.returncode} instead of {status}")
        check(ended.stderr, f"status {status} without a message")
    # Only a server that is not named runs a command in the client's own directory.
    ended = lab.telpher(
        "run", "--", "touch", str(witness),
        wrap=["sh", "-c", f"cd {removed} && rmdir {removed} && exec \"$@\"", "sh"])
    check(ended.returncode == 125, f"removed directory: status {ended.returncode} instead of 125")
    check(ended.stderr, "removed directory: status 125 without a message")
    check(not witness.exists(), "a command ran though its working directory was missing")
    return f"{len(cases) + 1} of {len(cases) + 1} as promised"


@promise(
    "No output is lost: everything written before the exit arrives, complete and in order.",
    "`seq` with 14 MB of output to a reader that pauses, many times; the digests are compared",
    "TelpherEndToEndTests/ThrottledReaderTests.swift")
def output(lab):
    server = lab.serve()
    expected = hashlib.sha256(b"".join(b"%d\n" % n for n in range(1, 2_000_001))).hexdigest()
    runs, size = lab.of(40, 4), 0
    for number in range(runs):
        client = lab.start(
            [lab.program, "run", "--on", f"unix:{server.path}", "--", "seq", "1", "2000000"])
        digest = hashlib.sha256()
        while piece := os.read(client.popen.stdout.fileno(), 1 << (10 + number % 8)):
            digest.update(piece)
            size += len(piece)
            if len(piece) % 7 == 0:
                time.sleep(0.001)
        check(client.wait() == 0, f"run {number} ended with {client.wait()}")
        check(digest.hexdigest() == expected, f"run {number} delivered other bytes")
    return f"{runs} runs, {size >> 20} MiB, all equal"


@promise(
    "A background process that holds the output open does not delay the result, which reports it.",
    "`(sleep LONG) & echo early`: the time of the result, and `pipe_held` in it",
    "TelpherEndToEndTests/HeldPipeTests.swift")
def held_output(lab):
    server = lab.serve()
    begin = time.monotonic()
    with wire.Client(server.path) as client:
        result, outputs = client.call(
            {"op": "run", "shell": f"(sleep {lab.marker}) & echo early"})
    seconds = time.monotonic() - begin
    check(result.get("code") == 0 and outputs.get(1) == b"early\n", f"{result}")
    check(result.get("pipe_held") is True, "the result does not report that an output was held")
    check(seconds < 10, f"the result took {seconds:.1f} s")
    return f"result after {seconds:.2f} s (drain 0.5 s), pipe_held"


@promise(
    "A deadline ends the whole process tree, and the status is 124.",
    "`--timeout 1s` for a shell that ignores SIGTERM, with children in their own sessions, without "
    "an environment and without parents",
    "TelpherEndToEndTests/NoSurvivorTests.swift")
def deadline(lab):
    server = lab.serve()
    ended = lab.run("sh", "-c", TREE.format(m=lab.marker), on=server,
                    options=["--timeout", "1s", "--grace", "500ms"])
    check(ended.returncode == 124, f"status {ended.returncode}")
    left = processes_with(lab.marker)
    check(not left, f"{len(left)} processes lived when the result came")
    return "status 124; no process was left when the result came"


@promise(
    "`cancel` ends the whole process tree.", "CONTROL `cancel` for a command with the same tree",
    "TelpherEndToEndTests/NoSurvivorTests.swift")
def cancel(lab):
    server = lab.serve()
    with wire.Client(server.path) as client:
        stream = client.open({"op": "run", "shell": TREE.format(m=lab.marker), "grace_ms": 300})
        await_tree(lab)
        client.send(wire.frame(wire.CONTROL, stream, {"cancel": True}))
        result, _ = client.result(stream)
    check(result["result"] == "canceled", f"{result}")
    left = processes_with(lab.marker)
    check(not left, f"{len(left)} processes lived when the result came")
    return "canceled; no process was left when the result came"


@promise(
    "When a client is lost, the whole process tree of its command ends.",
    "kill -9 of a client whose command has the same tree",
    "TelpherEndToEndTests/NoSurvivorTests.swift")
def lost_client(lab):
    server = lab.serve()
    client = lab.start_run(
        "sh", "-c", TREE.format(m=lab.marker), on=server, options=["--grace", "300ms"])
    await_tree(lab, 5)
    client.kill()
    client.wait()
    return f"no process was left {lab.gone():.1f} s later (grace 0.3 s)"


@promise(
    "A command that moves itself into another control group still ends at its deadline, and its "
    "client gets the result.",
    "`--timeout 1s` for a shell that moves itself into the parent control group, if there is one, "
    "and then sleeps",
    "TelpherEndToEndTests/NoSurvivorTests.swift")
def escape(lab):
    server = lab.serve()
    # It tries the parent of its own group in each hierarchy; if it may not, its tree is a plain
    # one.
    script = (
        "while IFS=: read -r _ controllers path; do for mount in /sys/fs/cgroup "
        "/sys/fs/cgroup/unified \"/sys/fs/cgroup/$controllers\"; do "
        "echo $$ 2>/dev/null >\"$mount${path%/*}/cgroup.procs\"; done; done </proc/self/cgroup; "
        f"trap '' TERM; sleep {lab.marker} & wait; sleep {lab.marker}")
    begin = time.monotonic()
    ended = lab.run("sh", "-c", script, on=server, options=["--timeout", "1s", "--grace", "300ms"],
                    timeout=20)
    check(ended.returncode == 124, f"status {ended.returncode}: {ended.stderr.decode().strip()}")
    seconds = time.monotonic() - begin
    left = processes_with(lab.marker)
    check(not left, f"{len(left)} processes lived when the result came")
    return f"status 124 after {seconds:.1f} s; no process was left"


@promise(
    "A lost connection is never taken for an exit status.",
    "kill -9 of the server while a command runs, repeatedly: status 125 and a message",
    "TelpherClientTests/ResultTests.swift")
def lost_server(lab):
    runs = lab.of(20, 4)
    for _ in range(runs):
        server = lab.serve()
        client = lab.start(
            [lab.program, "run", "--on", f"unix:{server.path}", "--", "sh", "-c",
             f"echo here; sleep {lab.marker}"], name="client")
        check(os.read(client.popen.stdout.fileno(), 5) == b"here\n", "the command did not start")
        server.kill()
        status = client.wait(20)
        check(status == 125 and client.errors().strip(), f"status {status}: {client.errors()}")
        end(processes_with(lab.marker), signal.SIGKILL)
    return f"{runs} of {runs} runs: status 125 with a message"


@promise(
    "A command can have as many arguments and variables as the kernel allows.",
    "20,000 arguments with 1.5 MiB in all, and one variable of 100 KB",
    "TelpherEndToEndTests/RunTests.swift")
def large_arguments(lab):
    server = lab.serve()
    many = [f"{n:075}" for n in range(20_000)]
    ended = lab.run("sh", "-c", "echo $#", "sh", *many, on=server)
    check(ended.stdout.strip() == b"20000",
          f"20,000 arguments: status {ended.returncode}, {ended.stderr.decode()[:120]}")
    ended = lab.run("sh", "-c", "echo ${#BIG}", on=server,
                    options=["--env", "BIG=" + "x" * 100_000])
    check(ended.stdout.strip() == b"100000",
          f"a variable of 100 KB: status {ended.returncode}, {ended.stderr.decode()[:120]}")
    return "20,000 arguments of 75 bytes and a variable of 100,000 bytes arrived"


@promise(
    "A server that cannot fork reports that for each command, and recovers once it can.",
    "a server with a limit of 40 processes (RLIMIT_NPROC) and 60 commands, which then end",
    "TelpherEndToEndTests/ExhaustionTests.swift")
def no_processes(lab):
    # The limit counts all processes of a user, so this uses a user that runs nothing else here.
    user = 60_000 + os.getpid() % 5_000
    server = lab.serve(user=user, wrap=[need_program("prlimit"), "--nproc=40"])
    with wire.Client(server.path) as client:
        streams = [client.open({"op": "run", "argv": ["sleep", lab.marker]}) for _ in range(60)]
        refused = 0
        waiting = set(streams)
        # Commands that could not be started end at once; the others sleep.
        while refused < 60 - 40:
            kind, stream, _, payload = client.receive()
            if kind == wire.CLOSE:
                check(b"not_started" in payload, f"{payload[:200]}")
                refused += 1
                waiting.discard(stream)
        for stream in waiting:
            client.send(wire.frame(wire.CONTROL, stream, {"cancel": True}))
        while waiting:
            kind, stream, _, _ = client.receive()
            if kind == wire.CLOSE:
                waiting.discard(stream)
        result, _ = client.call(wire.run_request("true"))
    check(result.get("code") == 0, f"afterwards: {result}")
    return f"{refused} of 60 ended with not_started; afterwards commands run again"


@promise(
    "A server without free descriptors does not spin or end, and recovers once some are free.",
    "64 descriptors (RLIMIT_NOFILE) and 100 connections: the processor time meanwhile, and a "
    "command afterwards",
    "TelpherEndToEndTests/ExhaustionTests.swift")
def no_descriptors(lab):
    server = lab.serve()
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (64, 64))
    clients = [wire.connect(server.path) for _ in range(100)]
    for client in clients:
        try:
            client.sendall(wire.PREFACE + wire.hello())
        except BrokenPipeError:
            pass  # The server has closed it already, because it has no descriptor for it.
    time.sleep(0.5)
    before = processor_seconds(server.pid)
    time.sleep(1)
    used = processor_seconds(server.pid) - before
    check(used < 0.2, f"it used {used:.2f} s of processor time in 1 s")
    for client in clients:
        client.close()
    begin = time.monotonic()
    ended = lab.run("true", on=server)
    check(ended.returncode == 0, f"afterwards: status {ended.returncode}")
    return (f"{used:.2f} s of processor time in 1 s; afterwards a command took "
            f"{time.monotonic() - begin:.2f} s")


@promise(
    "The server leaks no memory, descriptors or processes.",
    "100,000 commands (2,000 with --quick) over one connection: the server's memory, descriptors "
    "and children before and after",
    "TelpherEndToEndTests/ManyCommandsTests.swift")
def leaks(lab):
    server = lab.serve()
    count = lab.of(100_000, 2_000)
    with wire.Client(server.path) as client:
        # The server keeps a control group for each command that ever ran at the same time.
        _pipeline(client, 32, command=("sleep", "0.5"))
        _pipeline(client, 1_000)
        before = memory_mib(server.pid), descriptors(server.pid)
        begin = time.monotonic()
        _pipeline(client, count)
        seconds = time.monotonic() - begin
        until(lambda: not children(server.pid), what="the server's children to end")
        after = memory_mib(server.pid), descriptors(server.pid)
    grown = after[0] - before[0]
    check(after[1] <= before[1], f"{before[1]} descriptors became {after[1]}")
    check(grown < 8, f"{before[0]:.1f} MiB became {after[0]:.1f}")
    return (f"{count:,} commands at {count / seconds:,.0f} a second: {before[0]:.1f} MiB before, "
            f"{after[0]:.1f} after; {after[1]} descriptors; no child processes")


def _pipeline(client, count, depth=32, command=("true",)):
    """Runs `command` `count` times, `depth` at a time."""
    opened = done = 0
    while done < count:
        while opened < count and opened - done < depth:
            client.open(wire.run_request(*command))
            opened += 1
        kind, _, _, payload = client.receive()
        if kind == wire.CLOSE:
            if b'"exited"' not in payload:
                raise Broken(f"a command ended in {payload[:200]}")
            done += 1


@promise(
    "OPEN and RESET in a loop cannot exceed a connection's limit of commands.",
    "8,000 times (4,000 with --quick) OPEN of `sleep`, directly followed by RESET, over one "
    "connection: the maximum number of processes, and a command of another client",
    "TelpherServerTests/StreamTests.swift")
def open_reset(lab):
    server = lab.serve()
    most = lab.of(8_000, 4_000)
    script = f"trap '' TERM; sleep {lab.marker}"
    with wire.Client(server.path) as client:
        client.await_hello()
        limit = client.hello.get("max_streams", 1024)
        client.socket.settimeout(20)
        seen = 0
        for _ in range(most // 100):
            frames = []
            for _ in range(100):
                frames.append(wire.frame(
                    wire.OPEN, client.next, {"op": "run", "shell": script, "grace_ms": 10_000},
                    flags=wire.NO_INPUT))
                frames.append(wire.frame(wire.RESET, client.next, b"\0\0\0\x09" + b"\0" * 8))
                client.next += 2
            try:
                client.send(*frames)
            except OSError:
                break
            seen = max(seen, len(children(server.pid)))
        ended = lab.run("true", on=server)
        check(ended.returncode == 0, f"another client's command: status {ended.returncode}")
        seen = max(seen, len(children(server.pid)))
    check(seen <= limit + 1, f"{seen} commands ran at once; the limit is {limit} streams")
    return f"at most {seen} commands at once; another client's command ran"
