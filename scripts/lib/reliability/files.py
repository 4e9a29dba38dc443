"""Promises about files: status 0 means stored, a file is never partly written, and clients cannot
access anything outside the root."""

import contextlib
import ctypes
import fcntl
import hashlib
import json
import os
import random
import signal
import socket
import stat
import subprocess
import threading
import time

import wire
from harness import (OTHER_USER, Broken, Untried, check, memory_mib, need_program, need_root, peak_mib,
                     processor_seconds, promise, until)


def make_file(path, size, seed=1):
    path.write_bytes(random.Random(seed).randbytes(size))
    return path


def make_tree(folder, files, size=1000):
    for number in range(files):
        path = folder / f"d{number % 7}" / f"f{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        make_file(path, size + number, number)
    return folder


def contents(folder):
    """The digests of all files below a folder, partial files included, by relative path."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).digest()
    return found


@contextlib.contextmanager
def small_disk(lab, options):
    """A tmpfs with limits (mount `options` such as size and nr_inodes)."""
    need_root()
    folder = lab.path("disk")
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder],
                          capture_output=True)
    if made.returncode != 0:
        raise Untried("it needs to mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def expect_failure(ended, names):
    check(ended.returncode != 0, f"status 0 though {names} was not stored")
    check(names.encode() in ended.stderr, f"the message does not name {names}: {ended.stderr!r}")


@promise(
    "Status 0 means stored, with folders that are not writable.",
    "put, put -r, get and get -r into a folder of mode 555, as an ordinary user",
    "TelpherEndToEndTests/FileFaultTests.swift")
def not_writable(lab):
    user = OTHER_USER if os.geteuid() == 0 else os.geteuid()
    server = lab.serve(user=user)
    on = f"unix:{server.path}"
    locked = lab.root / "locked"
    (locked / "tree").mkdir(parents=True)
    mine = lab.folder_of(user, "mine")
    make_file(mine / "f", 1000)
    (mine / "tree").mkdir()
    make_file(mine / "tree/g", 1000)
    make_file(lab.root / "f", 1000)
    (lab.root / "tree").mkdir()
    make_file(lab.root / "tree/g", 1000)
    (mine / "locked/tree").mkdir(parents=True)
    folders = [locked / "tree", locked, mine / "locked/tree", mine / "locked"]
    for folder in folders:
        os.chmod(folder, 0o555)
    try:
        cases = [
            (["put", str(mine / "f"), "locked/f"], "f"),
            (["put", "-r", str(mine / "tree"), "locked"], "g"),
            (["get", "f", str(mine / "locked/f")], "f"),
            (["get", "-r", "tree", str(mine / "locked")], "g"),
        ]
        for arguments, name in cases:
            expect_failure(lab.telpher(*arguments, on=on, user=user), name)
    finally:
        for folder in folders:
            os.chmod(folder, 0o755)
    return f"{len(cases)} of {len(cases)} fail with a message that names the file"


@promise(
    "Status 0 means stored, with a full disk or without free inodes.",
    "put of 4 MiB onto a tmpfs of 1 MiB; put -r of 30 files onto a tmpfs with 12 inodes",
    "TelpherEndToEndTests/FileFaultTests.swift")
def full_disk(lab):
    with small_disk(lab, "size=1m,nr_inodes=12") as disk:
        server = lab.serve(root=disk)
        on = f"unix:{server.path}"
        (disk / "big").write_text("old content")
        big = make_file(lab.path("big"), 4 << 20)
        expect_failure(lab.telpher("put", str(big), "big", on=on), "big")
        check((disk / "big").read_text() == "old content", "the old file is damaged")
        tree = make_tree(lab.path("tree"), 30, 10)
        ended = lab.telpher("put", "-r", str(tree), ".", on=on)
        stored = contents(disk / "tree") if (disk / "tree").exists() else {}
        whole = contents(tree)
        check(ended.returncode != 0, f"status 0 with {len(stored)} of {len(whole)} files stored")
        check(all(stored[name] == whole[name] for name in stored), "a stored file is damaged")
        (disk / "big").unlink()
        server.close()
    return (f"full disk: the old file is intact; no inodes: {len(stored)} of {len(whole)} files "
            "stored, status not 0")


@promise(
    "Status 0 means stored, whichever system call fails.",
    "strace makes each of 11 system calls of the server fail at its k-th use, k = 1, 2, 3 ..., "
    "during put -r; with status 0 the copy must be equal",
    "TelpherEndToEndTests/FileFaultTests.swift")
def injected_faults(lab):
    strace = need_program("strace")
    faults = [("openat", "EACCES"), ("openat2", "EMFILE"), ("pwrite64", "EIO"),
              ("ftruncate", "EIO"), ("syncfs", "EIO"), ("renameat2", "EIO"), ("linkat", "EIO"),
              ("mkdirat", "ENOSPC"), ("fchmod", "EPERM"), ("utimensat", "EPERM"),
              ("fstat", "EACCES")]
    tree = make_tree(lab.path("tree"), 6)
    whole = contents(tree)
    runs = failed = 0
    for call, error in lab.of(faults, faults[::3]):
        for k in range(1, lab.of(13, 4)):
            server = lab.serve()
            root = lab.root
            tracer = lab.start(
                [strace, "-f", "-q", "-o", "/dev/null", "-e", f"trace={call}",
                 "-e", f"inject={call}:error={error}:when={k}", "-p", str(server.pid)],
                name="strace")
            until(lambda: "TracerPid:\t0" not in _status(server.pid), what="strace to attach")
            ended = lab.telpher("put", "-r", str(tree), ".", on=f"unix:{server.path}", timeout=30)
            stored = contents(root / "tree") if (root / "tree").exists() else {}
            equal = {name: stored.get(name) for name in whole} == whole
            runs += 1
            failed += ended.returncode != 0
            check(ended.returncode != 0 or equal,
                  f"{call} {error} at {k}: status 0 with {len(stored)} of {len(whole)} files")
            check(all(stored.get(name, whole[name]) == whole[name] for name in whole),
                  f"{call} {error} at {k}: a stored file is damaged")
            tracer.kill(signal.SIGTERM)
            tracer.wait()
            server.close()
    return f"{runs} runs; {failed} failed and said so; all with status 0 stored everything"


def _status(pid):
    with open(f"/proc/{pid}/status") as file:
        return file.read()


@promise(
    "A file is never partly written: it has either its old content or all of the new one.",
    "put of 64 MiB over a file, and kill -9 of the server or the client at a random moment; then "
    "`put --resume` completes it",
    "TelpherEndToEndTests/FileFaultTests.swift")
def torn_file(lab):
    source = make_file(lab.path("source"), 64 << 20)
    new = hashlib.sha256(source.read_bytes()).digest()
    old = hashlib.sha256(b"old").digest()
    rounds = lab.of(30, 6)
    chance = random.Random(7)
    were_new = 0
    for number in range(rounds):
        server = lab.serve()
        target = lab.root / "f"
        target.write_bytes(b"old")
        client = lab.start([lab.program, "put", "--on", f"unix:{server.path}", str(source), "f"],
                           name="put")
        time.sleep(chance.random() * 0.15)
        victim = client if number % 2 else server
        victim.kill()
        client.wait()
        found = hashlib.sha256(target.read_bytes()).digest()
        check(found in (old, new), f"round {number}: neither the old nor the new content")
        were_new += found == new
        root = lab.root
        server.close()
        server = lab.serve(root=root)
        ended = lab.telpher("put", "--resume", str(source), "f", on=f"unix:{server.path}")
        check(ended.returncode == 0, f"round {number}: --resume: {ended.stderr.decode().strip()}")
        check(hashlib.sha256(target.read_bytes()).digest() == new,
              f"round {number}: wrong content after --resume")
        check(not [p for p in root.iterdir() if p.name != "f"], "a partial file is left")
        server.close()
        target.unlink()
    return f"{rounds} kills: {were_new} files new, {rounds - were_new} old; all were resumed"


@promise(
    "A client cannot access anything outside the root.",
    "about 50 requests of every kind with paths that lead out (`..`, absolute paths, links, names "
    "with slashes), and requests while a folder is repeatedly exchanged with a link to the outside",
    "TelpherFileStoreTests/Local/RootTests.swift")
def outside_root(lab):
    server = lab.serve()
    root = lab.root
    outside = lab.path("outside")
    outside.mkdir()
    secret = outside / "secret"
    secret.write_text("secret-content")
    (root / "up").symlink_to("..")
    (root / "out").symlink_to(outside)
    (root / "file").symlink_to(secret)
    (root / "in").mkdir()
    (root / "in/out").symlink_to(outside)
    paths = ["../secret", "out/secret", "up/outside/secret", "in/out/secret", "file", "in/../../x",
             str(secret), "/proc/self/environ"]
    tries = 0

    def attempt(request, payload=b""):
        nonlocal tries
        tries += 1
        with wire.Client(server.path) as client:
            stream = client.open(request, no_input=False)
            client.await_hello()
            if payload:
                client.send(wire.frame(wire.DATA, stream, payload, channel=wire.INDEX))
            for channel in (wire.FILE, wire.INDEX):
                client.send(wire.frame(wire.DATA, stream, flags=wire.FIN, channel=channel))
            client.send(wire.frame(wire.CONTROL, stream, {"digest": "0" * 32}))
            result, outputs = client.result(stream)
            check(b"secret-content" not in b"".join(outputs.values()), f"{request} read outside")
            return result

    for path in paths:
        attempt({"op": "get", "path": path})
        attempt({"op": "put", "path": path})
        attempt({"op": "rm", "path": path} if path != "file" else {"op": "stat", "path": path})
        attempt({"op": "mkdir", "path": path + "x"})
        attempt({"op": "list", "path": path})
        attempt({"op": "get_tree", "path": path})
    for path in ("../x", "out/x", "a/../../x", "/x"):
        entry = {"entry": {"path": path, "kind": "directory", "mode": 0o755, "mtime_ns": 0}}
        attempt({"op": "put_tree", "path": ""}, json.dumps(entry).encode() + b"\n")
    # A link that the sender creates, and a folder to be created through it.
    records = [
        {"entry": {"path": "made", "kind": "symlink", "link": str(outside), "mtime_ns": 0}},
        {"entry": {"path": "made/x", "kind": "directory", "mode": 0o755, "mtime_ns": 0}}]
    attempt({"op": "put_tree", "path": ""},
            b"".join(json.dumps(record).encode() + b"\n" for record in records))
    check(secret.read_text() == "secret-content" and len(list(outside.iterdir())) == 1,
          f"the folder outside now contains {[p.name for p in outside.iterdir()]}")
    swaps, reads = _swap(lab, server, root, outside)
    check(len(list(outside.iterdir())) == 1, "a swapped link led outside")
    return f"{tries} requests, and {reads:,} during {swaps:,} exchanges with a link: none got out"


def _swap(lab, server, root, outside):
    """Exchanges a folder with a link to the outside while requests use its path; returns the number
    of exchanges and of requests."""
    folder, link = root / "swap", root / "swap-link"
    folder.mkdir()
    (folder / "secret").write_text("inside")
    link.symlink_to(outside)
    libc = ctypes.CDLL(None, use_errno=True)
    stop, swaps = threading.Event(), [0]

    def swap():
        while not stop.is_set():
            # RENAME_EXCHANGE: at every moment the path is one of the two.
            libc.renameat2(-100, os.fsencode(folder), -100, os.fsencode(link), 2)
            swaps[0] += 1

    thread = threading.Thread(target=swap)
    thread.start()
    reads = 0
    try:
        with wire.Client(server.path) as client:
            client.await_hello()
            deadline = time.monotonic() + lab.of(20, 1.5)
            while time.monotonic() < deadline:
                result, outputs = client.call({"op": "get", "path": "swap/secret"})
                check(b"secret-content" not in outputs.get(4, b""), "a swapped link was followed")
                client.call({"op": "mkdir", "path": f"swap/m{reads}"})
                reads += 2
    finally:
        stop.set()
        thread.join()
    return swaps[0], reads


@promise(
    "Devices, FIFOs and sockets are never replaced.",
    "`get f NAME` and `put f NAME`, where NAME is a FIFO, a link to it, a socket or (as root) a "
    "device",
    "TelpherEndToEndTests/FileFaultTests.swift")
def special_files(lab):
    server = lab.serve()
    on = f"unix:{server.path}"
    make_file(lab.root / "f", 100)
    source = make_file(lab.path("f"), 100)
    kinds = []
    for place in (lab.root, lab.path("here")):
        place.mkdir(exist_ok=True)
        os.mkfifo(place / "fifo")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(place / "socket"))
        listener.close()
        if os.geteuid() == 0:
            # The same device as /dev/null, in the lab's own folder.
            os.mknod(place / "device", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        (place / "link").symlink_to("fifo")
    names = [p.name for p in lab.path("here").iterdir()]
    for name in names:
        before = os.lstat(lab.root / name), os.lstat(lab.path("here") / name)
        for arguments in (["get", "f", str(lab.path("here") / name)], ["put", str(source), name]):
            ended = lab.telpher(*arguments, on=on, timeout=10)
            check(ended.returncode != 0, f"{arguments[0]} onto a {name}: status 0")
        after = os.lstat(lab.root / name), os.lstat(lab.path("here") / name)
        check([s.st_ino for s in before] == [s.st_ino for s in after], f"a {name} was replaced")
        kinds.append(name)
    return f"{', '.join(sorted(kinds))}: put and get are refused"


@promise(
    "Without options, put and get always copy.",
    "put and get of a file over one with the same size and time but other content",
    "TelpherCLITests/Files/PutGetTests.swift")
def plain_copy(lab):
    server = lab.serve()
    mine, theirs = lab.path("f"), lab.root / "f"
    for arguments, source, target in (
            (["put", str(mine), "f"], mine, theirs), (["get", "f", str(mine)], theirs, mine)):
        source.write_bytes(b"new content")
        target.write_bytes(b"old content")
        for path in (mine, theirs):
            os.utime(path, ns=(10**18, 10**18))
        ended = lab.telpher(*arguments, on=f"unix:{server.path}")
        check(ended.returncode == 0 and target.read_bytes() == b"new content",
              f"{arguments[0]}: status {ended.returncode}, or the old content is still there")
    return "put and get replaced the content"


@promise(
    "Files with a reported size of 0 but with content are copied completely.",
    "get of a file of /proc, compared with its content",
    "TelpherEndToEndTests/FileTests.swift")
def files_of_proc(lab):
    server = lab.serve(root="/proc")
    target = lab.path("version")
    ended = lab.telpher("get", "version", str(target), on=f"unix:{server.path}")
    with open("/proc/version", "rb") as file:
        expected = file.read()
    got = target.read_bytes() if target.exists() else None
    check(ended.returncode == 0 and got == expected,
          f"status {ended.returncode}, {'nothing' if got is None else len(got)} of "
          f"{len(expected)} bytes")
    return f"{len(expected)} bytes, equal"


@promise(
    "A transfer's memory does not depend on the size of the file.",
    "put and get of 2 GiB (256 MiB with --quick): the server's peak memory",
    "TelpherEndToEndTests/BackpressureTests.swift")
def bulk_memory(lab):
    server = lab.serve()
    size = lab.of(2 << 30, 256 << 20)
    source = lab.path("big")
    with open(source, "wb") as file:
        block = random.Random(3).randbytes(1 << 20)
        for _ in range(size >> 20):
            file.write(block)
    on = f"unix:{server.path}"
    for arguments in (["put", str(source), "big"], ["get", "big", str(lab.path("back"))]):
        ended = lab.telpher(*arguments, on=on, timeout=300)
        check(ended.returncode == 0, ended.stderr.decode().strip())
    same = subprocess.run(["cmp", source, lab.path("back")])
    check(same.returncode == 0, "the copy differs")
    most = peak_mib(server.pid)
    check(most < 64, f"the server's peak memory is {most:.0f} MiB")
    return f"{size >> 20:,} MiB in each direction: the server's peak memory is {most:.0f} MiB"


def _put_tree(client, request=None):
    stream = client.open(request or {"op": "put_tree", "path": ""}, no_input=False)
    client.await_hello()
    return stream


@promise(
    "A hole beyond a file's announced size is refused at once.",
    "a file announced with 4 bytes, and a hole of 2^60: the answer, and the server's processor "
    "time",
    "TelpherTransferTests/Trees/HostilePeerTests.swift")
def huge_hole(lab):
    server = lab.serve()
    with wire.Client(server.path, timeout=10) as client:
        stream = _put_tree(client)
        entry = {"entry": {"path": "f", "kind": "file", "size": 4, "mode": 0o644, "mtime_ns": 0}}
        before = processor_seconds(server.pid)
        begin = time.monotonic()
        for record in (entry, {"file": 0, "hole": 1 << 60}):
            client.send(wire.frame(wire.DATA, stream, json.dumps(record).encode() + b"\n",
                                   channel=wire.INDEX))
        try:
            result, _ = client.result(stream)
        except TimeoutError:
            used = processor_seconds(server.pid) - before
            raise Broken(f"no answer in 10 s, and {used:.1f} s of processor time") from None
        seconds = time.monotonic() - begin
        check(result["result"] == "failed", f"{result}")
        used = processor_seconds(server.pid) - before
    return f"refused after {seconds * 1000:.0f} ms, {used:.2f} s of processor time"


@promise(
    "Files that a client announces but does not send cost the server bounded memory.",
    "put_tree with 8,192 announced files with paths of 4 KiB on each of 8 streams (4 with "
    "--quick): the server's memory",
    "TelpherTransferTests/Trees/HostilePeerTests.swift")
def announcements(lab):
    server = lab.serve()
    deep = "/".join(["x" * 250] * 15)
    folder = lab.root
    with wire.Client(server.path, timeout=20) as client:
        # Creates the folders, so that the server wants the files and keeps their announcements.
        result, _ = client.call({"op": "mkdir", "path": deep, "parents": True})
        check(result["result"] == "ok", f"{result}")
        before = memory_mib(server.pid)
        streams = [_put_tree(client) for _ in range(lab.of(8, 4))]
        windows = dict.fromkeys(streams, client.hello.get("window", wire.WINDOW_SIZE))
        sent = dict.fromkeys(streams, 0)
        total, total_limit = 0, client.hello.get("connection_window", wire.CONNECTION_WINDOW)
        ended = set()
        number = dict.fromkeys(streams, 0)
        client.socket.settimeout(3)
        try:
            while any(number[s] < 8_192 for s in streams if s not in ended):
                progressed = False
                for stream in streams:
                    if stream in ended or number[stream] >= 8_192:
                        continue
                    entry = {"entry": {
                        "path": f"{deep}/{'y' * 200}{stream:05}{number[stream]:06}", "kind": "file",
                        "size": 1 << 20, "mode": 0o644, "mtime_ns": 0}}
                    record = json.dumps(entry).encode() + b"\n"
                    if (sent[stream] + len(record) > windows[stream]
                            or total + len(record) > total_limit):
                        continue
                    client.send(wire.frame(wire.DATA, stream, record, channel=wire.INDEX))
                    sent[stream] += len(record)
                    total += len(record)
                    number[stream] += 1
                    progressed = True
                if progressed:
                    continue
                kind, stream, channel, payload = client.receive()
                if kind == wire.WINDOW:
                    limit = int.from_bytes(payload, "big")
                    if stream == 0:
                        total_limit = limit
                    elif channel == wire.INDEX:
                        windows[stream] = limit
                elif kind in (wire.CLOSE, wire.RESET):
                    ended.add(stream)
        except (TimeoutError, OSError, Broken):
            pass  # The server grants no more, or has ended the connection: both limit its memory.
        grown = memory_mib(server.pid) - before
        announced = sum(number.values())
        ended_well = lab.run("true", on=server)
    check(ended_well.returncode == 0, "another client is not served")
    check(grown < 48, f"{announced:,} announced files on one connection cost {grown:.0f} MiB")
    return (f"{announced:,} announced on one connection ({len(ended)} of {len(streams)} streams "
            f"were ended by the server): {grown:.0f} MiB")


@promise(
    "Unread `get` streams do not delay other clients.",
    "1,024 `get` streams with a window of 0 on one connection; `stat` and `get` by another client",
    "TelpherFileStoreTests/WorkerPoolTests.swift")
def unread_gets(lab):
    server = lab.serve()
    # More than the server queues for a client that does not read.
    make_file(lab.root / "f", 8 << 20)
    with wire.Client(server.path, window=0) as client:
        client.await_hello()
        for _ in range(1_024):
            client.open({"op": "get", "path": "f"})
        begin = time.monotonic()
        ended = lab.telpher("stat", "f", on=f"unix:{server.path}", timeout=10)
        seconds = time.monotonic() - begin
        check(ended.returncode == 0, ended.stderr.decode())
        fetched = lab.telpher("get", "f", str(lab.path("f")), on=f"unix:{server.path}", timeout=10)
        check(fetched.returncode == 0, fetched.stderr.decode())
    return f"stat by another client took {seconds * 1000:.0f} ms; its get works"


@promise(
    "Planted partial files cannot prevent a file from being stored.",
    "`put f` beside eight locked files, each with a second name, that have the names of partial "
    "files of `f`",
    "TelpherFileStoreTests/Local/PartialTests.swift")
def planted_partials(lab):
    server = lab.serve()
    on = f"unix:{server.path}"
    source = make_file(lab.path("f"), 64 << 20)
    # An interrupted put shows which names partial files have.
    client = lab.start([lab.program, "put", "--on", on, str(source), "f"], name="put")
    found = until(lambda: [p.name for p in lab.root.iterdir() if p.name != "f"],
                  what="a partial file")
    client.kill()
    client.wait()
    server.close()
    stem = found[0].rsplit(".", 2)[0]
    held = []
    for path in lab.root.iterdir():
        path.unlink()
    for number in range(8):
        planted = lab.root / f"{stem}.{number}.partial"
        file = open(planted, "wb")
        fcntl.flock(file, fcntl.LOCK_EX)
        os.link(planted, lab.root / f"second{number}")
        held.append(file)
    server = lab.serve(root=lab.root)
    ended = lab.telpher("put", str(source), "f", on=f"unix:{server.path}", timeout=20)
    for file in held:
        file.close()
    check(ended.returncode == 0, f"put failed: {ended.stderr.decode().strip()[:200]}")
    stored = lab.root / "f"
    check(stored.exists() and stored.read_bytes() == source.read_bytes(),
          "status 0, but the file is not stored")
    check(all((lab.root / f"second{n}").stat().st_size == 0 for n in range(8)),
          "a planted file was written to")
    return "the file is stored; no planted file was written to"
