#!/usr/bin/env python3
"""Draws the results of a benchmark with matplotlib: a bar chart for each suite, and latency curves
for suites that measured latencies. scripts/bench --plot calls it: plot.py RESULTS.json FOLDER."""

import json
import math
import pathlib
import statistics
import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402  (set the backend before this import)

# Each contestant has the same color in all charts; color-blind readers can tell the colors apart.
COLORS = {"limit": "#999999", "cp": "#bbbbbb", "uv": "#0072b2", "nio": "#d55e00"}
OTHERS = ["#009e73", "#cc79a7", "#e69f00", "#56b4e9"]


def color(name, others):
    for known, value in COLORS.items():
        if name == known or name.startswith(known + ",") or name == {"uv": "telpher", "nio": "telpher-nio"}.get(known):
            return value
    return others.setdefault(name.split(",")[0], OTHERS[len(others) % len(OTHERS)])


def measured(comparison):
    """Yields (median, values, entry) for each entry that has figures."""
    for entry in comparison["entries"]:
        values = [value for value in entry["values"] if isinstance(value, (int, float))]
        if values:
            yield statistics.median(values), values, entry


def grid(count):
    columns = min(3, count)
    rows = math.ceil(count / columns)
    figure, axes = plt.subplots(rows, columns, figsize=(max(8, 5 * columns), 3.2 * rows), squeeze=False)
    flat = [axis for row in axes for axis in row]
    for axis in flat[count:]:
        axis.remove()
    return figure, flat


def draw_bars(suite, folder):
    comparisons = [c for c in suite["comparisons"] if any(measured(c))]
    if not comparisons:
        return
    figure, axes = grid(len(comparisons))
    others = {}
    for axis, comparison in zip(axes, comparisons):
        for place, (median, values, entry) in enumerate(measured(comparison)):
            spread = [[max(0, median - min(values))], [max(0, max(values) - median)]]
            axis.barh(place, median, xerr=spread, color=color(entry["name"], others), capsize=3)
        names = [entry["name"] for _, _, entry in measured(comparison)]
        axis.set_yticks(range(len(names)), names)
        axis.invert_yaxis()
        axis.set_title(comparison["title"], fontsize=9)
        better = "less" if comparison["lessIsBetter"] else "more"
        axis.set_xlabel(f"{comparison['unit']} ({better} is better)", fontsize=8)
        axis.tick_params(labelsize=8)
    save(figure, suite["title"], folder / f"{suite['name']}.svg")


def draw_curves(suite, folder):
    comparisons = [c for c in suite["comparisons"] if any(e.get("latency") for e in c["entries"])]
    if not comparisons:
        return
    figure, axes = grid(len(comparisons))
    others = {}
    for axis, comparison in zip(axes, comparisons):
        styles = {}
        for entry in comparison["entries"]:
            if not entry.get("latency"):
                continue
            points = [p for p in entry["latency"]["curve"] if p["percentile"] < 100]
            shade = color(entry["name"], others)
            # Curves of the same contestant share a color and differ in line style.
            style = ["-", "--", ":"][styles.setdefault(shade, 0) % 3]
            styles[shade] += 1
            across = [1 / (1 - p["percentile"] / 100) for p in points]
            up = [p["microseconds"] / 1000 for p in points]
            axis.plot(across, up, style, color=shade, label=entry["name"])
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xticks([2, 10, 100, 1000], ["50 %", "90 %", "99 %", "99.9 %"])
        axis.minorticks_off()
        axis.set_ylabel("milliseconds", fontsize=8)
        axis.set_title(comparison["title"], fontsize=9)
        axis.tick_params(labelsize=8)
        axis.legend(fontsize=7)
    save(figure, f"{suite['title']}: how long each took", folder / f"{suite['name']}-latency.svg")


def save(figure, title, path):
    figure.suptitle(title, fontsize=11)
    figure.tight_layout()
    # Leaves out the date, so that the same figures always produce the same file.
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    print(path)


def main():
    results, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    plt.rcParams["svg.hashsalt"] = "telpher"
    # Stores text as text instead of outlines: the file is a third as large and searchable.
    plt.rcParams["svg.fonttype"] = "none"
    for suite in json.loads(results.read_text())["suites"]:
        draw_bars(suite, folder)
        draw_curves(suite, folder)


if __name__ == "__main__":
    main()
