#!/usr/bin/env python3
"""Drives interactive programs through 'telpher run -t', with pyte as the user's terminal.

    programs.py TELPHER PROGRAM [OPTION ...]

PROGRAM is vim, top, less or shell; the options are those of 'telpher run'. The exit status is 0 if
the program behaved on this terminal as it does on its own.
"""
import fcntl
import os
import pty
import select
import struct
import sys
import tempfile
import termios
import time

import pyte

# A wait ends after this many seconds: far longer than a slow machine needs.
LIMIT = 120


class Terminal:
    """A program on a pseudoterminal, and the screen that a user would see."""

    def __init__(self, arguments, rows=24, columns=80):
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        master, slave = pty.openpty()
        self._set_size(slave, rows, columns)
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            for number in range(3):
                os.dup2(slave, number)
            os.closerange(3, 256)
            os.execvpe(arguments[0], arguments, dict(os.environ, TERM="linux", LC_ALL="C.UTF-8"))
        self.master = master

    @staticmethod
    def _set_size(terminal, rows, columns):
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, rows, columns):
        self.screen.resize(rows, columns)
        self._set_size(self.master, rows, columns)

    def type(self, text):
        os.write(self.master, text.encode())

    def text(self):
        return "\n".join(line.rstrip() for line in self.screen.display)

    def _read(self, seconds):
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        self.stream.feed(os.read(self.master, 65536))
        return True

    def wait(self, what, condition):
        """Reads until `condition` is true of the screen's text."""
        end = time.monotonic() + LIMIT
        while not condition(self.text()):
            if time.monotonic() > end:
                sys.exit(f"{what}: not on the screen:\n{self.text()}")
            self._read(0.2)

    def finish(self):
        """Waits for the end; the attributes of the terminal must be those from before."""
        end = time.monotonic() + LIMIT
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > end:
                sys.exit(f"the program does not end:\n{self.text()}")
            self._read(0.05)
        if termios.tcgetattr(self.slave) != self.before:
            sys.exit("the terminal was not restored")
        return os.waitstatus_to_exitcode(status)


def expect(what, condition):
    if not condition:
        sys.exit(f"not so: {what}")


def vim(run):
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/text"
        terminal = Terminal(run + ["vim", "-u", "NONE", "-N", path])
        terminal.wait("an empty file", lambda text: text.count("\n~") >= 20 and "text" in text)
        terminal.type("ihello\rwörld")
        terminal.wait("the text", lambda text: text.startswith("hello\nwörld\n~"))
        terminal.type("\x1b:set lines? columns?\r")
        terminal.wait("the size", lambda text: "lines=24" in text and "columns=80" in text)
        terminal.type("\r")
        terminal.resize(40, 132)
        terminal.wait("the larger file", lambda text: text.count("\n~") >= 36)
        terminal.type(":wq\r")
        expect("vim ends with status 0", terminal.finish() == 0)
        with open(path, encoding="utf-8") as file:
            expect("the file is written", file.read() == "hello\nwörld\n")


def top(run):
    terminal = Terminal(run + ["top"], rows=30)
    terminal.wait("the table", lambda text: "load average" in text and "PID" in text)
    terminal.type("h")
    terminal.wait("the help", lambda text: "Help for" in text)
    terminal.type("q")
    terminal.wait("the table again", lambda text: "load average" in text and "Help" not in text)
    terminal.type("q")
    expect("top ends with status 0", terminal.finish() == 0)


def less(run):
    terminal = Terminal(run + ["sh", "-c", "seq 1000 | less; exit 5"])
    terminal.wait("the first page", lambda text: text.startswith("1\n2\n3\n") and "\n23\n" in text)
    terminal.type("G")
    terminal.wait("the last page", lambda text: "\n1000\n" in text)
    terminal.type("/^55$\rg/^55$\r")
    terminal.wait("what was found", lambda text: text.startswith("55\n56\n"))
    terminal.type("q")
    expect("the status is that of the shell", terminal.finish() == 5)


def shell(run):
    terminal = Terminal(run + ["env", "PS1=ready> ", "bash", "--norc", "--noprofile", "-i"])
    terminal.wait("the prompt", lambda text: "ready>" in text)
    # Line editing: backspace, the start of the line, the history.
    terminal.type("cho onX\x7fe\x01e\r")
    terminal.wait("the edited line", lambda text: "ready> echo one\none\nready>" in text)
    terminal.type("\x1b[A\r")
    terminal.wait("the repeated line", lambda text: text.count("\none\n") == 2)
    # The job answers, so that each key is typed to the program that is to receive it: the shell
    # prints the name of a job before the job has the terminal.
    terminal.type("sh -c 'echo up; exec cat'\r")
    terminal.wait("the job", lambda text: "\nup\n" in text)
    terminal.type("one more\r")
    terminal.wait("the job's answer", lambda text: "one more\none more" in text)
    terminal.type("\x1a")
    terminal.wait("the stopped job", lambda text: "Stopped" in text)
    terminal.type("fg\r")
    terminal.wait("the job again", lambda text: text.count("exec cat") == 3)
    terminal.type("the last\r")
    terminal.wait("the job's next answer", lambda text: "the last\nthe last" in text)
    terminal.type("\x03")
    terminal.wait("the prompt after the job", lambda text: "ready>" in text.rsplit("the last", 1)[1])
    terminal.type("echo status $?\r")
    terminal.wait("the end of the job", lambda text: "\nstatus 130\n" in text)
    terminal.type("\x04")
    expect("the shell ends with that status", terminal.finish() in (0, 130))


if __name__ == "__main__":
    program, case, *options = sys.argv[1:]
    {"vim": vim, "top": top, "less": less, "shell": shell}[case](
        [program, "run", "-t"] + options + ["--"])
