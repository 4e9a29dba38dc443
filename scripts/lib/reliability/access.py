"""Promises about who may connect, and that unauthenticated peers and impostors learn nothing."""

import os
import pathlib
import re
import socket
import stat
import subprocess
import threading
import time

import wire
from harness import OTHER_USER, Broken, check, need_root, promise, until
from peers import ask_fake, greeting


@promise(
    "On its Unix socket a server accepts only its own user and root.",
    "the mode of the socket, and a connection by another user to a socket whose mode allows "
    "everyone to connect",
    "TelpherEndToEndTests/OtherUserTests.swift")
def other_users(lab):
    need_root()
    server = lab.serve(user=60_001)
    mode = stat.S_IMODE(os.stat(server.path).st_mode)
    check(mode & 0o077 == 0, f"the socket has mode {mode:o}")
    os.chmod(server.path, 0o777)
    os.chmod(pathlib.Path(server.path).parent, 0o755)
    # Without this option the client itself would refuse a server of another user.
    trust = ["--trust-uid", "60001"]
    ended = lab.run("id", "-u", on=server, user=OTHER_USER, options=trust)
    check(ended.returncode == 125 and not ended.stdout, f"another user: {ended.stdout!r}")
    ended = lab.run("id", "-u", on=server, options=trust)
    check(ended.stdout.strip() == b"60001", f"root: {ended.stderr!r}")
    return f"mode {mode:o}; another user is refused, root is accepted"


@promise(
    "A client never sends the token, and an impostor on the server's port learns nothing.",
    "a program that listens on the server's port after the server has ended, records everything "
    "that `telpher run` sends and answers with its own HELLOs",
    "TelpherClientTests/UnprovenServerTests.swift")
def token(lab):
    server = lab.serve(tcp=True)
    port = server.port
    secret = lab.token_file.read_text().strip()
    on = f"tcp:127.0.0.1:{port}"
    options = ["--token-file", str(lab.token_file)]
    ended = lab.telpher("run", *options, "--", "echo", "right", on=on)
    check(ended.stdout == b"right\n", f"with the token: {ended.stderr.decode()}")
    root = lab.root
    server.close()
    seen = bytearray()
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(8)
    listener.settimeout(20)
    greetings = [b"", greeting(), greeting(auth={"nonce": "00" * 32, "proof": "00" * 32})]

    def impersonate():
        for text in greetings:
            client, _ = listener.accept()
            client.settimeout(3)
            try:
                client.sendall(text)
                while piece := client.recv(65_536):
                    seen.extend(piece)
            except OSError:
                pass
            client.close()

    thread = threading.Thread(target=impersonate, daemon=True)
    thread.start()
    for _ in greetings:
        ended = lab.telpher("run", *options, "--env", "SECRET=hush-hush", "--", "echo", lab.marker,
                            on=on, timeout=30)
        check(ended.returncode == 125, f"status {ended.returncode} from an impostor")
    thread.join(10)
    listener.close()
    whole = bytes(seen)
    check(secret.encode() not in whole and bytes.fromhex(secret) not in whole,
          "the token was sent to the impostor")
    check(b"hush-hush" not in whole, "the environment was sent to the impostor")
    check(lab.marker.encode() not in whole, "the arguments were sent to the impostor")
    return f"{len(greetings)} impostors received {len(whole)} bytes: no token, no arguments"


@promise(
    "A server refuses a wrong token.",
    "`telpher run` over TCP with another server's token, and without one",
    "TelpherServerTests/StrangerTests.swift")
def wrong_token(lab):
    server = lab.serve(tcp=True)
    other = lab.path("other")
    other.write_text("ab" * 32 + "\n")
    os.chmod(other, 0o600)
    for options in (["--token-file", str(other)], []):
        ended = lab.telpher("run", *options, "--", "echo", "in", on=f"tcp:127.0.0.1:{server.port}")
        check(ended.returncode == 125 and not ended.stdout, f"{options}: {ended.stdout!r}")
    return "both refused with status 125"


@promise(
    "A client sends nothing to another user's fake server.",
    "root's client connects to a Unix socket on which another user's program listens: the bytes "
    "that the program receives, and the client's status",
    "TelpherClientTests/ServerTrustTests.swift")
def fake_unix_server(lab):
    need_root()
    folder = lab.folder_of(OTHER_USER, "theirs")
    os.chmod(folder, 0o755)
    script = (
        "import socket,sys\n"
        "l=socket.socket(socket.AF_UNIX);l.bind(sys.argv[1]);l.listen(4)\n"
        "import os;os.chmod(sys.argv[1],0o777)\n"
        "print('ready',flush=True)\n"
        "c,_=l.accept();c.settimeout(3);got=b''\n"
        "try:\n"
        " c.sendall(bytes.fromhex(sys.argv[2]))\n"
        " while True:\n"
        "  p=c.recv(65536)\n"
        "  if not p: break\n"
        "  got+=p\n"
        "  if b'\"op\"' in got: c.sendall(bytes.fromhex(sys.argv[3]))\n"
        "except OSError: pass\n"
        "sys.stdout.buffer.write(got);sys.stdout.flush()\n")
    forged = (wire.frame(wire.DATA, 1, flags=1, channel=1)
              + wire.frame(wire.DATA, 1, flags=1, channel=2)
              + wire.frame(wire.CLOSE, 1, {"result": "exited", "code": 0,
                                           "bytes": {"1": 0, "2": 0}}))
    python = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else "python3"
    fake = lab.start(lab.as_user(OTHER_USER, [python, "-c", script, str(folder / "socket"),
                                              greeting().hex(), forged.hex()]))
    check(fake.popen.stdout.readline() == b"ready\n", f"the fake server: {fake.errors()}")
    ended = lab.telpher("run", "--env", "SECRET=hush-hush", "--", "echo", lab.marker,
                        on=f"unix:{folder}/socket", timeout=20)
    got = fake.popen.communicate(timeout=20)[0]
    check(b"hush-hush" not in got and lab.marker.encode() not in got,
          f"it received {len(got)} bytes, including arguments or variables "
          f"(status {ended.returncode})")
    check(ended.returncode == 125, f"status {ended.returncode}")
    return f"it received {len(got)} bytes; status 125"


@promise(
    "A server refuses a token file that belongs to another user, is readable by others, or is not "
    "a regular file.",
    "`serve --token-file` with a file of another user, a file of mode 644, and a FIFO",
    "TelpherAccessTests/SecretFileTests.swift")
def token_files(lab):
    cases = []
    if os.geteuid() == 0:
        theirs = lab.path("theirs")
        theirs.write_text("ab" * 32 + "\n")
        os.chmod(theirs, 0o600)
        os.chown(theirs, OTHER_USER, OTHER_USER)
        cases.append(theirs)
    open_to_all = lab.path("open")
    open_to_all.write_text("ab" * 32 + "\n")
    os.chmod(open_to_all, 0o644)
    fifo = lab.path("fifo")
    os.mkfifo(fifo, 0o600)
    cases += [open_to_all, fifo]
    for path in cases:
        ended = None
        try:
            ended = subprocess.run(
                [lab.program, "serve", "--listen", "tcp:127.0.0.1:0", "--token-file", str(path)],
                stdin=subprocess.DEVNULL, capture_output=True, timeout=5, env=lab.environment)
        except subprocess.TimeoutExpired as error:
            what = "starts" if b"listening" in (error.stdout or b"") else "hangs"
            raise Broken(f"with the token file '{path.name}' a server {what}") from None
        check(ended.returncode != 0 and ended.stderr, f"'{path.name}': status {ended.returncode}")
    return f"{len(cases)} of {len(cases)} refused"


@promise(
    "A web page cannot run commands through a `telpher classic` server.",
    "requests that a browser can send (GET, POST with a body, the first bytes of TLS) to each "
    "dialect that runs commands",
    "TelpherCLITests/Classic/ClassicServeTests.swift")
def classic_http(lab):
    witness = lab.path("witness")
    os.chmod(lab.folder, 0o711)
    target = str(witness)
    dialects = [["raw"], ["raw", "--line"], ["size"], ["length"], ["header"]]
    requests = [
        f"GET /;touch$IFS{target}; HTTP/1.1\r\nHost: x\r\n\r\n",
        f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200\r\n\r\ntouch {target}\n",
        f"touch$IFS{target};GET / HTTP/1.1\r\n\r\n".replace("touch$IFS", "OPTIONS /;touch$IFS", 1),
        "\x16\x03\x01\x02\x00\x01;touch " + target + "\n",
    ]
    tries = 0
    for dialect in dialects:
        server = lab.classic(dialect[0], *dialect[1:])
        for request in requests:
            with wire.connect(server.port) as client:
                client.settimeout(2)
                try:
                    client.sendall(request.encode("latin-1"))
                    client.shutdown(socket.SHUT_WR)
                    while client.recv(4096):
                        pass
                except OSError:
                    pass
            tries += 1
            check(not witness.exists(), f"{' '.join(dialect)} ran {request.splitlines()[0]!r}")
        server.close()
    return f"{tries} requests to {len(dialects)} dialects: no command ran"


@promise(
    "The log escapes text from unauthenticated peers, and refusals do not flood it.",
    "HELLOs with line breaks and ESC in keys and values, and 2,000 with a wrong token: the log",
    "TelpherServerTests/RefusalLogTests.swift")
def log_injection(lab):
    server = lab.serve(tcp=True)
    evil = "\x1b[2J\nforged: all is well\r"
    for address in (server.port, server.path):
        for key in ({evil: 1, "must": [evil]}, {"auth": {"token": evil}}, {"version": evil}):
            with wire.connect(address) as client:
                client.sendall(wire.PREFACE + wire.hello(**key))
                client.settimeout(5)
                try:
                    while client.recv(4096):
                        pass
                except OSError:
                    pass
    count = 2_000
    for _ in range(count):
        try:
            with wire.connect(server.port) as client:
                client.sendall(wire.PREFACE + wire.hello(auth={"token": "cd" * 32}))
        except OSError:
            pass
    time.sleep(0.5)
    log = server.log.read_bytes()
    check(b"\x1b" not in log and b"\nforged" not in log and b"\r" not in log,
          "the log contains a peer's unescaped line breaks or ESC")
    lines = log.count(b"\n")
    check(lines < 200, f"{count:,} refusals produced {lines:,} lines")
    return f"everything is escaped; {count:,} refusals produced {lines} lines"


@promise(
    "The client escapes a server's messages before it prints them.",
    "a server that sends refusals, RESETs and GOAWAYs with ESC and line breaks: the client's "
    "standard error",
    "TelpherCLITests/HostileTextTests.swift")
def server_texts(lab):
    evil = "\x1b[2J\x07forged\nall is well"
    frames = [
        lambda s: wire.frame(wire.CLOSE, s, {"result": "refused", "message": evil}),
        lambda s: wire.frame(wire.RESET, s, b"\0\0\0\x02" + b"\0" * 8 + evil.encode()),
        lambda s: wire.frame(wire.GOAWAY, 0, b"\0" * 4 + b"\0\0\0\x01" + evil.encode()),
        lambda s: wire.frame(wire.CLOSE, s, {"result": "not_started", "errno": 2,
                                             "message": evil, "stage": "execute"}),
    ]
    for make in frames:
        ended = ask_fake(lab, make, "run", "--", "true")
        check(ended.returncode != 0, "status 0")
        raw = re.search(rb"[\x00-\x09\x0b-\x1f\x7f]|\nall is well", ended.stderr)
        check(not raw, f"unescaped on standard error: {ended.stderr!r}")
    return f"{len(frames)} messages, all escaped"


@promise(
    "A server can be limited to files, and to reading files.",
    "`serve --no-commands` with run and get; `serve --read-only` with put, rm, mkdir, mv and get",
    "TelpherCLITests/ConfinedServerTests.swift")
def confined_clients(lab):
    server = lab.serve("--no-commands")
    (lab.root / "f").write_text("content")
    on = f"unix:{server.path}"
    ended = lab.run("echo", "ran", on=server)
    check(ended.returncode == 125 and not ended.stdout, f"a command ran: {ended.stdout!r}")
    ended = lab.telpher("get", "f", str(lab.path("got")), on=on)
    check(ended.returncode == 0, f"get: {ended.stderr.decode()}")
    server.close()
    server = lab.serve("--read-only")
    (lab.root / "f").write_text("content")
    on = f"unix:{server.path}"
    source = lab.path("source")
    source.write_text("other")
    for arguments in (["put", str(source), "f"], ["put", str(source), "g"], ["rm", "f"],
                      ["mkdir", "d"], ["mv", "f", "h"]):
        ended = lab.telpher(*arguments, on=on)
        check(ended.returncode != 0, f"{arguments[0]} succeeded")
    check([p.name for p in lab.root.iterdir()] == ["f"]
          and (lab.root / "f").read_text() == "content", "the folder was changed")
    ended = lab.telpher("get", "f", str(lab.path("got2")), on=on)
    check(ended.returncode == 0, f"get: {ended.stderr.decode()}")
    return "run and five attempts to change files are refused; get works"
