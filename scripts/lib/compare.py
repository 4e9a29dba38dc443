"""Compares the results of two commits that scripts/bench measured in turn:

    compare.py OLD.json NEW.json [OLD.json NEW.json ...]

Each pair of files is one round. For each contestant it prints the median of its figures, and the ratio
of the new to the old figure: the median of the rounds' ratios, the lowest and the highest. Figures that
the benchmark measures in turn with a baseline, such as the limit of the machine, are first divided by
it: the machine's speed changes from run to run. A difference is real only if the lowest and the highest
ratio are on the same side of 1.
"""

import json
import statistics
import sys


def figures(path):
    """Returns the figures of one run by suite, table and contestant: the figure, what it is divided
    by, whether less is better."""
    with open(path) as file:
        report = json.load(file)
    found = {}
    for suite in report["suites"]:
        for table in suite["comparisons"]:
            for entry in table["entries"]:
                baseline = entry.get("baseline") if entry["ratios"] else None
                values = entry["ratios"] if baseline else entry["values"]
                values = [v for v in values if isinstance(v, (int, float)) and v > 0]
                if not values:
                    continue
                key = (suite["name"], table["title"], entry["name"])
                unit = f"of {baseline}" if baseline else table["unit"]
                found[key] = (statistics.median(values), unit, table["lessIsBetter"])
    return found


def verdict(ratios, less_is_better):
    """Says whether the new figures are better; nothing if the rounds do not agree."""
    if min(ratios) <= 1 <= max(ratios):
        return ""
    return "better" if (min(ratios) > 1) != less_is_better else "worse"


def main(paths):
    if not paths or len(paths) % 2:
        sys.exit("compare.py needs pairs of files")
    rounds = [(figures(old), figures(new)) for old, new in zip(paths[::2], paths[1::2])]
    table = None
    for key in rounds[-1][1]:
        pairs = [(old[key], new[key]) for old, new in rounds if key in old and key in new]
        if not pairs:
            print(f"{key}: not measured by both")
            continue
        suite, title, name = key
        unit, less = pairs[0][1][1:]
        if (suite, title) != table:
            table = (suite, title)
            better = "less" if less else "more"
            print(f"\n{suite}: {title} ({better} is better)")
            print(f"  {'contestant':28} {'old':>10} {'new':>10} {'':14} {'new/old':>8}  rounds")
        ratios = [new[0] / old[0] for old, new in pairs]
        old, new = (statistics.median(p[i][0] for p in pairs) for i in (0, 1))
        print(
            f"  {name[:28]:28} {old:10,.4g} {new:10,.4g} {unit[:14]:14} {statistics.median(ratios):8.3f}"
            f"  {min(ratios):.3f} to {max(ratios):.3f}  {verdict(ratios, less)}".rstrip()
        )


main(sys.argv[1:])
