"""Passes connections to one Unix socket on to another, and cuts each after a random number of bytes.

    cutting_proxy.py LISTEN TARGET SEED LONGEST CUTS

A connection is cut after 1 to LONGEST bytes of both directions; after CUTS cuts, none is. The line
"listening" on standard output says that it listens; then each cut is a line.
"""

import os
import random
import socket
import sys
import threading


class Link:
    """One connection and its other half."""

    def __init__(self, near, far, limit):
        self.near, self.far, self.limit = near, far, limit
        self.lock = threading.Lock()
        self.passed = 0
        self.is_cut = False

    def run(self):
        threads = [
            threading.Thread(target=self.copy, args=ends)
            for ends in ((self.near, self.far), (self.far, self.near))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.near.close()
        self.far.close()

    def copy(self, source, sink):
        try:
            while data := source.recv(65536):
                with self.lock:
                    if self.is_cut:
                        return
                    if self.limit is not None and self.passed + len(data) >= self.limit:
                        data = data[: self.limit - self.passed]
                        self.is_cut = True
                    self.passed += len(data)
                sink.sendall(data)
                if self.is_cut:
                    print("cut", flush=True)
                    break
        except OSError:
            pass
        for end in (self.near, self.far):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def main():
    listen, target, seed, longest, cuts = sys.argv[1:]
    choose = random.Random(int(seed))
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(listen)
    os.chmod(listen, 0o600)
    listener.listen(16)
    print("listening", flush=True)
    remaining = int(cuts)
    while True:
        near, _ = listener.accept()
        far = socket.socket(socket.AF_UNIX)
        try:
            far.connect(target)
        except OSError:
            near.close()
            far.close()
            continue
        limit = None
        if remaining > 0:
            limit = choose.randint(1, int(longest))
            remaining -= 1
        threading.Thread(target=Link(near, far, limit).run, daemon=True).start()


main()
