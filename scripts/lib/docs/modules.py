"""Checks that the list of modules in docs/architecture.md is that of the tree: each folder of Sources
is in it, and each module imports only modules below it."""

import re

from pages import ROOT

PAGE = "docs/architecture.md"
NAME = re.compile(r"\b(?:C?Telpher[A-Z]\w+|CLibUV|CXXHash|telpher-nio|telpher)\b")
IMPORT = re.compile(
    r"^ *(?:@\w+ +)*(?:public|package|internal|fileprivate|private) +import +"
    r"(?:(?:struct|class|enum|func|protocol) +)?(\w+)", re.M)


def check(pages):
    """Returns the offences, a line for each."""
    page = next(page for page in pages if page.name == PAGE)
    blocks = page.section("Modules")
    if not blocks:
        return [f"{PAGE}: there is no list of modules below the heading Modules"]
    places = {}
    for number, line in enumerate(blocks[0].lines, blocks[0].line):
        for name in NAME.findall(line):
            places.setdefault(name, number)
    offences = []
    for folder in sorted(path for path in (ROOT / "Sources").iterdir() if path.is_dir()):
        if not any(folder.rglob("*.*")):
            continue
        if folder.name not in places:
            offences.append(f"{PAGE}:{blocks[0].line}: the list of modules lacks {folder.name}")
            continue
        for file in sorted(folder.rglob("*.swift")):
            for imported in IMPORT.findall(file.read_text()):
                if places.get(imported, 1 << 30) <= places[folder.name]:
                    offences.append(
                        f"{PAGE}:{places[imported]}: {folder.name} imports {imported} "
                        f"({file.relative_to(ROOT)}), which must be below it")
    return offences
