"""Checks that everything that the documentation names exists: links and their anchors, files,
variables of the environment, and on the pages about the code also its types."""

import pathlib
import re
import subprocess

from pages import ROOT

# Pages about the past: what they name may be gone.
HISTORY = {"CHANGELOG.md", "docs/decisions.md"}
# Pages that name types of the code.
ABOUT_CODE = {
    "README.md", "docs/architecture.md", "docs/walkthroughs.md", "docs/FROM-THE-TUTORIALS.md",
    "CONTRIBUTING.md"}
OURSELVES = pathlib.Path(__file__).resolve().parent
SOURCES = ["Sources", "Tests", "CLibUV", "scripts", ".ci", "Package.swift"]


def check(pages):
    """Returns the offences, a line for each."""
    by_path = {page.path: page for page in pages}
    code = "\n".join(
        path.read_text(errors="replace") for path in tracked()
        if path.suffix in (".swift", ".c", ".h", ".py", ".sh", "") and path.is_file()
        and path.relative_to(ROOT).parts[0] in SOURCES and OURSELVES not in path.parents)
    known_words = set(re.findall(r"\w+", code))
    offences = [offence for page in pages for offence in links(page, by_path)]
    for page in pages:
        if page.name not in HISTORY:
            offences += paths(page)
            offences += variables(page, known_words)
        if page.name in ABOUT_CODE:
            offences += types(page, known_words)
    return offences + list(mentions_of_pages(by_path))


def tracked():
    """The files that git knows, also new ones, but none of a build."""
    listing = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard"], check=True,
        capture_output=True, text=True).stdout
    return [ROOT / name for name in listing.splitlines()]


def links(page, by_path):
    for number, target in page.links():
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.path.parent / path).resolve() if path else page.path
        if not file.exists():
            yield f"{page.name}:{number}: the link leads to {target}, which does not exist"
        elif anchor and anchor not in (by_path[file].anchors() if file in by_path else ()):
            yield f"{page.name}:{number}: {path or page.name} has no heading for #{anchor}"


def paths(page):
    texts = list(page.inline_code())
    for block in page.blocks:
        texts += enumerate(block.lines, block.line)
    for number, text in texts:
        for name in re.findall(r"(?<![\w./~-])(?:scripts|docs|Sources|Tests)/[\w./*+-]+", text):
            if not any(ROOT.glob(name.rstrip("./"))):
                yield f"{page.name}:{number}: {name} does not exist"


def variables(page, known_words):
    for number, line in enumerate(page.text.split("\n"), 1):
        for name in re.findall(r"\bTELPHER_[A-Z_]+\b", line):
            if name not in known_words:
                yield f"{page.name}:{number}: the code knows no variable {name}"


def types(page, known_words):
    for number, line in enumerate(page.text.split("\n"), 1):
        for module in re.findall(r"\bC?Telpher[A-Z]\w+", line):
            if not any((ROOT / folder / module).is_dir() for folder in ("Sources", "Tests")):
                yield f"{page.name}:{number}: there is no module {module}"
    for number, text in page.inline_code():
        for name in re.findall(r"(?<![\w/.-])[A-Z]+[a-z]\w*[A-Z]\w*", text):
            if name not in known_words:
                yield f"{page.name}:{number}: the code has no {name}"


def mentions_of_pages(by_path):
    """Comments and messages that name a page, also with a heading in quotation marks."""
    for path in tracked():
        if path.suffix not in (".swift", ".c", ".h", ".py", "") or not path.is_file():
            continue
        text = path.read_text(errors="replace")
        for match in re.finditer(r'(?<![\w/])(docs/[\w-]+\.md)(?:,[\s/#]+"([^"]+)")?', text):
            name, heading = match.groups()
            where = f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}"
            if ROOT / name not in by_path:
                yield f"{where}: {name} does not exist"
            elif heading and not has_heading(by_path[ROOT / name], heading):
                yield f"{where}: {name} has no heading \"{heading}\""


def has_heading(page, heading):
    """Whether the page has the heading; what follows a colon in it may be left out."""
    wanted = re.escape(re.sub(r"\s*\n[ /#]*", " ", heading))
    return any(
        re.match(rf"#+ +{wanted}(:|$)", line.replace("`", "")) for _, line in page.prose)
