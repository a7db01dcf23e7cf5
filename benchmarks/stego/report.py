"""The figures as tables in docs/steganalysis.md and as pictures beside it."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import pyplot
from PIL import Image

from benchmarks.stego import methods
from services.stego.canvas import Canvas
from services.stego.coding.prices import prices

AIMS = {
    "SPAM": {"0.1": 0.46, "0.4": 0.39},
    "SRM": {"0.05": 0.45, "0.1": 0.42, "0.2": 0.37, "0.4": 0.28},
    "DCTR": {"0.05": 0.46, "0.1": 0.45, "0.2": 0.43},
}
"""The least error of the classifier that was aimed at, for ours."""
MOST_FOUND = 0.08
"""The most that RS, SPA and WS were to find at 5 % false alarms."""

COLOURS = ("tab:blue", "tab:cyan", "tab:orange", "tab:red", "tab:brown")


def write(seen: dict[str, Any], docs: Path) -> None:
    """The tables between the marks of docs/steganalysis.md, and the pictures in docs/images."""
    page = docs / "steganalysis.md"
    text = page.read_text()
    marked = re.compile(r"(<!-- tables -->\n).*?(<!-- end of tables -->)", re.DOTALL)
    page.write_text(marked.sub(lambda mark: f"{mark[1]}\n{tables(seen)}\n\n{mark[2]}", text))
    _errors(seen, docs / "images" / "stego-errors.png")
    _maps(docs / "images" / "stego-changes.png")


def tables(seen: dict[str, Any]) -> str:
    """All figures, in Markdown."""
    return "\n\n".join([_measured(seen), _structural(seen), _models(seen), _jpeg(seen), _coded(seen)])


def _measured(seen: dict[str, Any]) -> str:
    pixels, jpeg = seen["pixels"]["ours"], seen["jpeg"]["ours"]
    return (
        f"Measured on {seen['tiles']} tiles of {seen['photographs']} photographs, {seen['splits']} divisions. Tiles "
        "left out because ours refuses them (too smooth, or too few live coefficients for its header): "
        + ", ".join(f"{one['left_out']} at {rate} bits a pixel" for rate, one in pixels.items())
        + "; "
        + ", ".join(f"{one['left_out']} at {rate} bits a live coefficient" for rate, one in jpeg.items())
        + "."
    )


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(head)]
    lines += [["---"] * len(lines[0]), *map(list, rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _structural(seen: dict[str, Any]) -> str:
    rates = list(seen["pixels"]["ours"])

    def cell(one: dict[str, Any]) -> str:
        found = one["structural"].values()
        return " / ".join(f"{100 * each['found']:.1f}" for each in found)

    rows = [[name, *(cell(one) for one in by_rate.values())] for name, by_rate in seen["pixels"].items()]
    worst = max(each["found"] for one in seen["pixels"]["ours"].values() for each in one["structural"].values())
    areas = [each["area"] for one in seen["pixels"]["ours"].values() for each in one["structural"].values()]
    verdict = "reached" if worst <= MOST_FOUND else "**missed**"
    return (
        "**RS / sample pairs / weighted stego: found, in percent, at 5 % false alarms**\n\n"
        + _table(["bits a pixel", *rates], rows)
        + f"\n\nAim for ours: at most {100 * MOST_FOUND:.0f} %: {verdict} (worst {100 * worst:.1f} %; areas under the "
        f"curve {min(areas):.2f} to {max(areas):.2f})."
    )


def _models(seen: dict[str, Any]) -> str:
    parts = []
    for model in ("SPAM", "SRM"):
        table = _errors_table(seen["pixels"], model)
        if table:
            parts.append(f"**{model} and ensemble: error ± its standard deviation (area under the curve)**\n\n{table}")
    return "\n\n".join(parts)


def _jpeg(seen: dict[str, Any]) -> str:
    table = _errors_table(seen["jpeg"], "DCTR")
    return f"**DCTR and ensemble, JPEG of quality 90: the same; bits a live coefficient**\n\n{table}"


def _errors_table(methods_seen: dict[str, Any], model: str) -> str:
    rates = list(methods_seen["ours"])

    def cell(one: dict[str, Any]) -> str:
        if model not in one:
            return ""
        judged = one[model]
        return f".{1000 * judged['error']:03.0f} ± .{1000 * judged['error_sd']:03.0f} ({judged['area']:.2f})"

    rows = [
        [name, *map(cell, by_rate.values())]
        for name, by_rate in methods_seen.items()
        if any(model in one for one in by_rate.values())
    ]
    if not rows:
        return ""
    rows.append(["aim for ours: at least", *(_aim(model, rate, methods_seen["ours"][rate]) for rate in rates)])
    return _table(["", *rates], rows)


def _aim(model: str, rate: str, one: dict[str, Any]) -> str:
    aim = AIMS[model].get(rate)
    if aim is None:
        return ""
    verdict = "reached" if one[model]["error"] >= aim else "**missed**"
    return f".{100 * aim:02.0f} {verdict}"


def _coded(seen: dict[str, Any]) -> str:
    def cell(one: dict[str, Any]) -> str:
        return f"{100 * one['changes']:.2f} %, {one['bits_a_change']:.1f}, {one['psnr']:.1f} dB"

    rows = [[name, *map(cell, by_rate.values())] for name, by_rate in seen["pixels"].items()]
    return "**Pixels changed, bits hidden by each change, PSNR**\n\n" + _table(
        ["bits a pixel", *seen["pixels"]["ours"]], rows
    )


def _errors(seen: dict[str, Any], target: Path) -> None:
    panels = [(seen["pixels"], "SPAM"), (seen["pixels"], "SRM"), (seen["jpeg"], "DCTR")]
    panels = [(found, model) for found, model in panels if _errors_table(found, model)]
    figure, axes = pyplot.subplots(1, len(panels), figsize=(4 * len(panels), 3.4), sharey=True, layout="constrained")
    for axis, (found, model) in zip(np.atleast_1d(axes), panels, strict=True):
        for colour, (name, by_rate) in zip(COLOURS, found.items(), strict=False):
            points = [(float(rate), one[model]) for rate, one in by_rate.items() if model in one]
            if points:
                x, y, sd = zip(*((rate, one["error"], one["error_sd"]) for rate, one in points), strict=True)
                axis.errorbar(x, y, sd, marker="o", ms=4, capsize=3, label=name, color=colour)
        axis.axhline(0.5, color="grey", lw=0.8, ls=":")
        axis.set(title=f"{model} + ensemble", xlabel="bits a live coefficient" if model == "DCTR" else "bits a pixel")
        axis.set(ylim=(0, 0.53), xscale="log", xticks=list(map(float, found["ours"])))
        axis.get_xaxis().set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:g}"))
        axis.get_xaxis().set_minor_locator(matplotlib.ticker.NullLocator())
        axis.legend(fontsize=7, loc="lower left")
    np.atleast_1d(axes)[0].set_ylabel("error of the classifier (0.5: a toss-up)")
    figure.savefig(target, dpi=110)
    pyplot.close(figure)


def _maps(target: Path) -> None:
    """What a step costs and where steps are taken, in a portrait in the public domain that matplotlib brings along."""
    with Image.open(Path(matplotlib.get_data_path()) / "sample_data/grace_hopper.jpg") as portrait:
        half = portrait.convert("L").resize((256, 300), Image.Resampling.LANCZOS)
    pixels = np.asarray(half)
    price = prices(Canvas(pixels.astype(np.int16), "pixels"))
    figure, axes = pyplot.subplots(1, 5, figsize=(13, 3.3), layout="constrained")
    axes[0].imshow(pixels, cmap="gray")
    axes[0].set_title("cover")
    axes[1].imshow(np.log10(price), cmap="magma_r")
    axes[1].set_title("price of a step")
    for axis, way, rate in ((axes[2], "ours", 0.05), (axes[3], "ours", 0.4), (axes[4], "LSB matching", 0.4)):
        method = methods.ours if way == "ours" else methods.matching
        stego = method(pixels, round(rate * pixels.size), 1)
        if stego is None:
            raise AssertionError("the portrait carries what it is asked to")
        axis.imshow(stego.astype(np.int16) - pixels, cmap="bwr", vmin=-1.5, vmax=1.5, interpolation="nearest")
        axis.set_title(f"{way}, {rate} bits a pixel")
    for axis in axes:
        axis.set_axis_off()
    figure.savefig(target, dpi=80)
    pyplot.close(figure)
