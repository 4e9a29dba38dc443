"""Passes connections to one Unix socket on to another, as the lines on standard input say.

    switched_proxy.py LISTEN TARGET

up      pass connections on, as at the start
down    cut all connections, and close each new one at once
greet   cut all connections, and each new one when the client sends something after the first answer

Each line is answered with "ok" after it is carried out. The line "listening" says that the proxy
listens, "closed" that the server has closed a connection.
"""

import os
import select
import socket
import sys
import threading

lock = threading.Lock()
mode = "up"
links = set()


def say(text):
    with lock:
        print(text, flush=True)


class Link:
    """One connection, and its other half to the target."""

    def __init__(self, near, far, greets):
        self.near, self.far, self.greets = near, far, greets
        self.is_cut = False
        self.is_answered = False

    def cut(self):
        self.is_cut = True
        for end in (self.near, self.far):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def copy_up(self):
        try:
            while data := self.near.recv(65536):
                if self.greets and self.is_answered:
                    break
                self.far.sendall(data)
        except OSError:
            pass
        self.cut()

    def copy_down(self):
        try:
            while data := self.far.recv(65536):
                self.is_answered = True
                self.near.sendall(data)
        except OSError:
            pass
        self.cut()

    def watch(self):
        """Reports that the server has closed the connection, also while the client reads nothing."""
        poll = select.poll()
        poll.register(self.far, 0)
        poll.poll()
        if not self.is_cut:
            say("closed")


def switch():
    global mode
    for line in sys.stdin:
        mode = line.strip()
        for link in list(links) if mode != "up" else []:
            link.cut()
            links.discard(link)
        say("ok")
    os._exit(0)


def main():
    listen, target = sys.argv[1:]
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(listen)
    os.chmod(listen, 0o600)
    listener.listen(16)
    threading.Thread(target=switch, daemon=True).start()
    say("listening")
    while True:
        near, _ = listener.accept()
        far = socket.socket(socket.AF_UNIX)
        try:
            if mode == "down":
                raise OSError
            far.connect(target)
        except OSError:
            near.close()
            far.close()
            continue
        link = Link(near, far, mode == "greet")
        links.add(link)
        for copy in (link.copy_up, link.copy_down, link.watch):
            threading.Thread(target=copy, daemon=True).start()


main()
