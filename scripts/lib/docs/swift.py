"""Builds README's Swift package against this repository, runs its program with a server, and
compares what it prints with the comments beside its print statements."""

import re
import subprocess
import time

import pages
from sandbox import Sandbox

# The package stays here, so that the next run builds only what has changed.
FOLDER = pages.ROOT / ".build" / "readme"


def check(program):
    """Returns the offences."""
    page = pages.Page(pages.ROOT / "README.md")
    blocks = [block for block in page.blocks if block.language == "swift"]
    manifests = [block for block in blocks if "// swift-tools-version" in block.text]
    sources = [block for block in blocks if block not in manifests]
    if len(manifests) != 1 or not sources:
        return ["README.md: needs one Package.swift and a program"]
    source = "\n".join(block.text for block in sources)
    executable = build(manifests[0].text, source)
    with Sandbox(program) as sandbox:
        address = f"unix:{sandbox.folder}/run/readme.sock"
        if error := sandbox.serve(f"telpher serve --listen {address}"):
            return [error]
        (sandbox.work / "Package.swift").write_text("// a file to copy\n")
        status, output = sandbox.run(f"{executable} {address}", {})
        copied = sandbox.home / "copy.swift"
        offences = compare(expected(source), output)
        if status != 0:
            offences.append(f"README.md: the Swift program ended with status {status}: {output}")
        if not copied.exists():
            offences.append("README.md: the Swift program copied no file")
    return offences


def build(manifest, source):
    """Builds the package; returns its program. The repository stands beside it, as README says."""
    hello = FOLDER / "hello"
    sources = hello / "Sources" / "hello"
    sources.mkdir(parents=True, exist_ok=True)
    link = FOLDER / "telpher"
    if not link.is_symlink():
        link.symlink_to(pages.ROOT)
    (hello / "Package.swift").write_text(manifest)
    (sources / "main.swift").write_text(source)
    command = ["swift", "build", "--package-path", str(hello)]
    begin = time.monotonic()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    print(f"README's Swift program: built in {time.monotonic() - begin:.0f} s")
    if done.returncode != 0:
        raise SystemExit(f"README's Swift program does not build:\n{done.stdout}{done.stderr}")
    return FOLDER / "hello/.build/debug/hello"


def expected(source):
    """What the comments after print statements say: (comment, regular expression). Numbers of
    three digits or more stand for any number."""
    for comment in re.findall(r"print\(.*\)  // (.*)", source):
        yield comment, re.sub(r"\d{3,}", r"\\d+", re.escape(comment))


def compare(expectations, output):
    offences, rest = [], output
    for comment, pattern in expectations:
        found = re.search(rf"^{pattern}\s*$", rest, re.MULTILINE)
        if found:
            rest = rest[found.end():]
        else:
            offences.append(f"README.md: the Swift program does not print '{comment}': {output}")
    return offences
