"""Reads the claims in docs/RELIABILITY.md, and replaces its tables with those of a new run."""

import re

BEGIN = "<!-- scripts/reliability writes what follows -->"
END = "<!-- the end of what scripts/reliability writes -->"

HOLDS, BROKEN, UNTRIED = "holds", "**does not hold**", "not tried"


class Row:
    """The result of one promise in a run."""

    def __init__(self, promise, state, figure, seconds):
        self.promise = promise
        self.state = state
        self.figure = figure
        self.seconds = seconds


def claims(path):
    """The names of the promises that the page marks as holding."""
    if not path.exists():
        return set()
    return set(re.findall(r"^\| `([a-z0-9-]+)` \|.*\| " + HOLDS + r" \|", path.read_text(), re.M))


def write(path, rows, groups, heading):
    """Puts the tables of `rows` between the marks."""
    text = path.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    parts = [BEGIN, "", heading, ""]
    for group, title in groups.items():
        of_group = [row for row in rows if row.promise.group == group]
        if not of_group:
            continue
        parts += [f"## {title}", "", "| name | promise | provocation | last run | | test |",
                  "|---|---|---|---|---|---|"]
        parts += [line(row) for row in of_group]
        parts.append("")
    path.write_text(before + "\n".join([*parts, END]) + after)


def line(row):
    cells = [f"`{row.promise.name}`", row.promise.text, row.promise.provocation,
             row.figure, row.state, test(row.promise.test)]
    return "| " + " | ".join(cell(text) for text in cells) + " |"


def test(name):
    if not name:
        return "this run"
    return f"[{name.rsplit('/', 1)[1].removesuffix('.swift')}](../Tests/{name})"


def cell(text):
    """Escapes text for a table cell; output of a program may contain any character."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    return plain.replace("|", "\\|").strip()
