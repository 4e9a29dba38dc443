"""Tries the promises of docs/RELIABILITY.md on the real program: see scripts/reliability."""

import argparse
import datetime
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import time

import harness
import page

# Each module registers its promises; this is their order on the page.
import commands  # noqa: F401
import jobs  # noqa: F401
import replacing  # noqa: F401
import files  # noqa: F401
import peers  # noqa: F401
import hosts  # noqa: F401
import forwards  # noqa: F401
import access  # noqa: F401
import life  # noqa: F401
import floods  # noqa: F401

GROUPS = {
    "commands": "Commands", "jobs": "Durable jobs", "replacing": "Upgrades in place", "files": "Files",
    "peers": "Peers and limits",
    "hosts": "Many hosts",
    "forwards": "Forwarded connections", "access": "Who may connect",
    "life": "Starting and stopping", "floods": "Floods",
}

ROOT = pathlib.Path(__file__).resolve().parents[3]


def attempt(promise, program, quick):
    begin = time.monotonic()
    state, figure = page.HOLDS, ""
    try:
        with harness.Lab(program, quick) as lab:
            figure = promise.run(lab)
    except harness.Untried as reason:
        state, figure = page.UNTRIED, str(reason)
    except harness.Broken as reason:
        state, figure = page.BROKEN, str(reason)
    except Exception as error:  # for example a connection that ends unexpectedly
        state, figure = page.BROKEN, f"{type(error).__name__}: {error}"
    return page.Row(promise, state, figure, time.monotonic() - begin)


def commit():
    found = subprocess.run(
        ["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return found.stdout.strip() or "an unknown commit"


def heading(quick, seconds):
    kind = "quick" if quick else "full"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    return (
        f"Last run: {kind}, {datetime.date.today().isoformat()}, of {commit()}, in "
        f"{seconds:.0f} s, on {platform.system()} {platform.release()} with {os.cpu_count()} "
        f"processors and {memory} GiB, as {'root' if os.geteuid() == 0 else 'an ordinary user'}.")


def main():
    parser = argparse.ArgumentParser(prog="scripts/reliability")
    parser.add_argument("--quick", action="store_true", help="smaller numbers, and floods of 3 s")
    parser.add_argument(
        "--program", type=pathlib.Path, required=True, help="the telpher program to try")
    parser.add_argument(
        "--keep-page", action="store_true", help="leave docs/RELIABILITY.md as it is")
    parser.add_argument(
        "--list", action="store_true", help="print the promises with their names and exit")
    parser.add_argument(
        "names", nargs="*", help="try only these promises, and leave the page as it is")
    arguments = parser.parse_args()

    known = {promise.name: promise for promise in harness.PROMISES}
    if arguments.list:
        for promise in harness.PROMISES:
            print(f"{promise.name:24} {promise.text}")
        return 0
    for name in arguments.names:
        if name not in known:
            parser.error(f"there is no promise '{name}': --list prints their names")
    for promise in harness.PROMISES:
        if promise.test and not (ROOT / "Tests" / promise.test).exists():
            parser.error(f"{promise.name}: its test Tests/{promise.test} does not exist")
    chosen = [known[name] for name in arguments.names] or harness.PROMISES

    document = ROOT / "docs/RELIABILITY.md"
    claimed = page.claims(document)
    begin = time.monotonic()
    rows = []
    with tempfile.TemporaryDirectory(prefix="telpher-reliability-") as folder:
        # A copy: other users can run it, and a build cannot replace it during the run.
        os.chmod(folder, 0o755)
        program = pathlib.Path(folder) / "telpher"
        shutil.copy(arguments.program, program)
        os.chmod(program, 0o755)
        for promise in chosen:
            row = attempt(promise, program, arguments.quick)
            rows.append(row)
            mark = {page.HOLDS: "holds", page.BROKEN: "DOES NOT HOLD", page.UNTRIED: "not tried"}
            print(f"{promise.name:24} {mark[row.state]:14} {row.seconds:5.1f} s  {row.figure}",
                  flush=True)
    if not arguments.names and not arguments.keep_page:
        page.write(document, rows, GROUPS, heading(arguments.quick, time.monotonic() - begin))
    wrong = [row for row in rows if row.promise.name in claimed and row.state != page.HOLDS]
    for row in wrong:
        print(f"reliability: the page says that {row.promise.name} holds, but: {row.figure}",
              file=sys.stderr)
    missing = claimed - {row.promise.name for row in rows} if not arguments.names else set()
    for name in sorted(missing):
        print(f"reliability: the page says that {name} holds, but no provocation tries it",
              file=sys.stderr)
    return 1 if wrong or missing else 0


if __name__ == "__main__":
    sys.exit(main())
