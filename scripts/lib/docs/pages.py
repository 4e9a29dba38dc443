"""Reads the pages of the documentation: code blocks, inline code, links and headings."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[3]


class Block:
    """A code block: its language (empty if it is indented), its lines, and its first line number."""

    def __init__(self, language, line):
        self.language, self.line, self.lines = language, line, []

    @property
    def text(self):
        return "\n".join(self.lines) + "\n"


class Page:
    """A Markdown file."""

    def __init__(self, path):
        self.path = path
        self.name = str(path.relative_to(ROOT))
        self.text = path.read_text()
        self.blocks, self.prose = [], []  # the prose: (line number, text)
        self._split()

    def _split(self):
        block = None
        is_fenced, margin, after_blank = False, 0, True
        for number, line in enumerate(self.text.split("\n"), 1):
            indent = len(line) - len(line.lstrip(" "))
            if is_fenced:
                if line.strip() == "```":
                    is_fenced, block = False, None
                else:
                    block.lines.append(line)
            elif line.startswith("```"):
                is_fenced, block = True, Block(line[3:].strip(), number + 1)
                self.blocks.append(block)
            elif block and (indent >= margin or not line.strip()):
                block.lines.append(line[margin:])
            elif indent >= 4 and after_blank and line.strip():
                block, margin = Block("", number), indent
                block.lines.append(line[margin:])
                self.blocks.append(block)
            else:
                block = None
                self.prose.append((number, line))
            after_blank = not line.strip()
        for block in self.blocks:
            while block.lines and not block.lines[-1].strip():
                block.lines.pop()

    def section(self, *headings):
        """The code blocks below these headings, up to the next heading."""
        lines = [(number, line) for number, line in self.prose if line.startswith("#")]
        found = []
        for index, (number, line) in enumerate(lines):
            if line.lstrip("# ") in headings:
                end = lines[index + 1][0] if index + 1 < len(lines) else 1 << 30
                found += [block for block in self.blocks if number < block.line < end]
        return found

    def inline_code(self):
        """Yields (line number, code) for each `code` in the prose."""
        for number, line in self.prose:
            for match in re.finditer(r"`([^`]+)`", line):
                yield number, match.group(1)

    def links(self):
        """Yields (line number, target) for each link and image in the prose."""
        for number, line in self.prose:
            for match in re.finditer(r"\[[^\]]*\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "`", line)):
                yield number, match.group(1)

    def anchors(self):
        """The anchors of the headings, as GitHub makes them."""
        found = {}
        for _, line in self.prose:
            if heading := re.match(r"#{1,6} +(.*)", line):
                slug = re.sub(r"[^\w\- ]", "", heading.group(1).lower()).replace(" ", "-")
                count = found.get(slug, -1) + 1
                found[slug] = count
                if count:
                    found[f"{slug}-{count}"] = 0
        return set(found)


def all_pages():
    return [Page(path) for path in sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("docs/*.md"))]
