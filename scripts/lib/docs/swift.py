"""Builds README's Swift package against this repository, runs its program with a server, and
compares what it prints with the comments beside its print statements. Compiles the Swift of
docs/SWIFT.md too."""

import re
import shutil
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
    guide = pages.Page(pages.ROOT / "docs" / "SWIFT.md")
    snippets = [block for block in guide.blocks if block.language == "swift"]
    if len(snippets) < 2 or not snippets[0].text.startswith("dependencies:"):
        return ["docs/SWIFT.md: needs the dependency as its first Swift, and a program"]
    read_dependency(snippets[0])
    executable = build(manifests[0].text, source, snippets[1:])
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


def read_dependency(snippet):
    """Reads the dependency of docs/SWIFT.md as a part of a manifest."""
    mine = FOLDER / "mine"
    mine.mkdir(parents=True, exist_ok=True)
    (mine / "Package.swift").write_text(
        "// swift-tools-version: 6.2\nimport PackageDescription\n\n"
        f"let package = Package(\nname: \"mine\",\n{snippet.text})\n")
    command = ["swift", "package", "--package-path", str(mine), "dump-package"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"docs/SWIFT.md:{snippet.line}: wrong dependency:\n{done.stderr}")


def build(manifest, source, snippets):
    """Builds the package with one more target, for the snippets of docs/SWIFT.md; returns README's
    program. The repository stands beside it, as README says."""
    hello = FOLDER / "hello"
    sources = hello / "Sources" / "hello"
    sources.mkdir(parents=True, exist_ok=True)
    link = FOLDER / "telpher"
    if not link.is_symlink():
        link.symlink_to(pages.ROOT)
    products = "".join(
        f'.product(name: "{name}", package: "telpher"), '
        for name in ("TelpherClient", "TelpherServer", "TelpherUV"))
    target = f'.executableTarget(name: "guide", dependencies: [{products}]),'
    (hello / "Package.swift").write_text(manifest.replace("targets: [", f"targets: [\n{target}", 1))
    (sources / "main.swift").write_text(source)
    write_guide(hello / "Sources" / "guide", snippets)
    command = ["swift", "build", "--package-path", str(hello)]
    begin = time.monotonic()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    print(f"README's Swift program and docs/SWIFT.md: built in {time.monotonic() - begin:.0f} s")
    if done.returncode != 0:
        raise SystemExit(f"the Swift of README and docs/SWIFT.md does not build:\n{done.stdout}{done.stderr}")
    return FOLDER / "hello/.build/debug/hello"


def write_guide(folder, snippets):
    """Writes a file for each snippet: a function, which is compiled and not run."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "main.swift").write_text("")
    for snippet in snippets:
        lines = snippet.text.splitlines()
        imports = {line for line in lines if line.startswith("import ")} | {"import TelpherClient"}
        body = "\n".join("" if line in imports else line for line in lines)
        # The compiler's messages name the page and its line.
        (folder / f"line{snippet.line}.swift").write_text(
            "\n".join(sorted(imports))
            + f"\nfunc line{snippet.line}(_ connection: Connection) async throws {{\n"
            + f'#sourceLocation(file: "docs/SWIFT.md", line: {snippet.line + 1})\n{body}\n}}\n')


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
