"""Runs the commands of a page, each as it stands there, in a sandbox."""

import re
import shutil
import subprocess

import pages
import plans
from sandbox import Sandbox

SOCKET = "/run/user/1000/telpher.sock"  # in the pages' programs


def check(program):
    """Runs the commands of all pages that have a plan. Returns the offences."""
    offences = []
    for name, plan in plans.PAGES.items():
        if missing := [tool for tool in plan.tools if not shutil.which(tool)]:
            print(f"{name}: its commands are not run, because there is no {missing[0]}")
            continue
        offences += check_page(pages.Page(pages.ROOT / name), plan, program)
    return offences + list(check_python(program))


def check_page(page, plan, program):
    seen = set()
    with Sandbox(program) as sandbox:
        sandbox.fill(plan.files)
        if plan.at_home:
            sandbox.work = sandbox.home
        for block in page.blocks:
            if not block.language:
                yield from run_block(page, block, plan, sandbox, seen)
    for command in plan.commands() - seen:
        yield f"{page.name}: has no command '{command}', which plans.py expects"


def run_block(page, block, plan, sandbox, seen):
    """Runs a block's commands in order; an `export` holds for the rest of the block."""
    environment = {}
    for line, command in commands(block):
        seen.add(command)
        where = f"{page.name}:{line}: {command}"
        actual = sandbox.with_free_ports(command, plan.ports)
        if command in plan.skipped:
            continue
        if export := re.match(r"export (\w+)=(\S+)$", command):
            environment[export.group(1)] = export.group(2)
            continue
        if re.match(r"telpher (classic )?serve |telpher serve$|telpher classic chat --listen|telpher forward ", command):
            if error := sandbox.serve(actual):
                yield f"{where}: {error}"
        elif command.endswith("&"):
            if error := sandbox.start(actual):
                yield f"{where}: {error}"
        else:
            if command in plan.typed:
                status, output = sandbox.run_on_terminal(actual, environment, plan.typed[command])
            else:
                status, output = sandbox.run(actual, environment, plan.given.get(command, ""))
            yield from judge(where, status, output, 0, plan.prints.get(command, ""))
        for probe, wanted, pattern in plan.after.get(command, []):
            status, output = sandbox.run(sandbox.with_free_ports(probe, plan.ports), environment)
            yield from judge(f"{where}; {probe}", status, output, wanted, pattern)


def check_python(program):
    """Runs the programs in Python on the page of the protocol."""
    page = pages.Page(pages.ROOT / "docs/PROTOCOL.md")
    blocks = [block for block in page.blocks if block.language == "python"]
    if not blocks:
        yield f"{page.name}: has no program in Python"
    with Sandbox(program) as sandbox:
        socket = f"{sandbox.folder}/run/python.sock"
        if error := sandbox.serve(f"telpher serve --listen unix:{socket}"):
            yield error
        for block in blocks:
            (sandbox.work / "program.py").write_text(block.text.replace(SOCKET, socket))
            where = f"{page.name}:{block.line}: the program"
            environment = {"PYTHONPATH": str(pages.ROOT / "docs"), "PYTHONDONTWRITEBYTECODE": "1"}
            status, output = sandbox.run("python3 program.py", environment)
            yield from judge(where, status, output, 0, r"^0 b'.*\betc\b")


def judge(where, status, output, wanted, pattern):
    shown = output.strip()[-500:]
    if status != wanted:
        yield f"{where}: status {status}, not {wanted}: {shown}"
    elif not re.search(pattern, output.strip(), re.MULTILINE):
        yield f"{where}: prints no {pattern!r}: {shown}"


def commands(block):
    """Yields (line number, command) without its comment. A command goes on until bash finds it
    complete."""
    begun, start = [], block.line
    for number, line in enumerate(block.lines, block.line):
        if not begun:
            start = number
        begun.append(line)
        text = "\n".join(begun)
        if subprocess.run(["bash", "-n", "-c", text], capture_output=True).returncode == 0:
            text = re.sub(r"(^|\s+)# .*$", "", text) if len(begun) == 1 else text
            if text.strip():
                yield start, text
            begun = []
    if begun:
        raise ValueError(f"{block.line}: a command has no end: {begun[0]}")
