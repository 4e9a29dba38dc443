"""Puts random trees and gets them back, on every transport that the program speaks, and compares them
byte for byte, with mode, mtime, links and empty folders: random_trees.py PROGRAM COUNT SEED."""

import os
import random
import shutil
import stat
import subprocess
import sys
import tempfile

program, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
chance = random.Random(seed)
# Every byte that a name may have.
LETTERS = [byte for byte in range(1, 256) if byte != ord("/")]
SIZES = [0, 1, 100, 4096, 65536, 65537]


def make_file(path):
    with open(path, "wb") as file:
        if chance.random() < 0.2:  # a hole at the start
            file.seek(chance.randrange(1, 2_000_000))
        file.write(chance.randbytes(chance.choice([*SIZES, chance.randrange(300_000), chance.randrange(3_000_000)])))
        if chance.random() < 0.1:  # a hole at the end
            file.truncate(file.tell() + chance.randrange(1_000_000))
    os.chmod(path, chance.choice([0o600, 0o644, 0o755, 0o400, 0o640]))


def touch(path):
    os.utime(path, ns=(1, chance.randrange(10**18, 17 * 10**17)))


def make_tree(folder, depth=0):
    os.makedirs(folder)
    for _ in range(chance.randrange(0 if depth else 1, 6)):
        path = os.path.join(folder, bytes(chance.choice(LETTERS) for _ in range(chance.randrange(1, 30))))
        kind = chance.random()
        if os.path.lexists(path):
            continue
        if kind < 0.6:
            make_file(path)
            touch(path)
        elif kind < 0.75:
            os.symlink(bytes(chance.choice(b"abc/..") for _ in range(chance.randrange(1, 12))), path)
        elif depth < 3:
            make_tree(path, depth + 1)
    os.chmod(folder, chance.choice([0o755, 0o700, 0o750]))
    touch(folder)


def look(folder):
    found = {}
    for parent, folders, files in os.walk(folder):
        for name in [b".", *folders, *files]:
            path = os.path.join(parent, name)
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                what = os.readlink(path)
            elif stat.S_ISDIR(status.st_mode):
                what = (status.st_mode, status.st_mtime_ns)
            else:
                with open(path, "rb") as file:
                    what = (status.st_mode, status.st_mtime_ns, file.read())
            found[os.path.relpath(path, folder)] = what
    return found


def main():
    base = tempfile.mkdtemp(prefix="telpher-trees-")
    os.chmod(base, 0o700)
    source, root, back = (os.path.join(os.fsencode(base), name) for name in (b"source", b"root", b"back"))
    os.makedirs(root)
    serve = [program, "serve", "--root", os.fsdecode(root), "--log-level", "critical"]
    # What stands in for ssh starts the server as the far end would.
    ssh = base + "/ssh"
    with open(ssh, "w") as file:
        file.write("#!/bin/sh\nexec " + " ".join(serve) + " --listen stdio\n")
    os.chmod(ssh, 0o755)
    environment = {**os.environ, "PATH": base + ":" + os.environ["PATH"], "TELPHER_TOKEN_FILE": base + "/token"}
    environment["HOME"] = base
    listen = ["--listen", f"unix:{base}/socket", "--listen", "tcp:127.0.0.1:0", "--listen", "tls:127.0.0.1:0",
              "--token-file", base + "/token", "--host-key-file", base + "/host_key"]
    server = subprocess.Popen(serve + listen, stdout=subprocess.PIPE, text=True)
    try:
        addresses = [server.stdout.readline().removeprefix("listening on ").strip() for _ in range(3)]
        addresses[2] = addresses[2].replace("tls:", "tls://")
        done = 0
        for address in [*addresses, "ssh://there"]:
            for _ in range(count):
                copy = os.path.join(root, b"copy")
                for path in (source, back, copy):
                    shutil.rmtree(path, ignore_errors=True)
                make_tree(source)
                for command in (["put", os.fsdecode(source), "copy"], ["get", "copy", os.fsdecode(back)]):
                    words = [program, command[0], "-r", "--quiet", "--accept-new", "--on", address, *command[1:]]
                    subprocess.run(words, env=environment, check=True)
                if not look(source) == look(copy) == look(back):
                    sys.exit(f"{address}: seed {seed}, tree {done} came back otherwise")
                done += 1
        print(f"{done} trees came back as they were")
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(base, ignore_errors=True)


main()
