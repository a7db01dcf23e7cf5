"""CPU per mail and per process, mails per second, latency: a report with machine and load (no gate), and a plot.

    python -m benchmarks.rates [--mails 2000] [--out benchmarks/results]

Sends real mails (see tests/corpus.py) from ten senders to ten recipients, one recipient each: once as fast as it
goes, once at half that rate for the latencies. CPU comes from /proc of every process of the installation, broker and
database included; the client's is reported apart.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from matplotlib import pyplot

from benchmarks.ledger import Ledger
from benchmarks.load import Letter, send
from secumail.installation.home import Home, Ports
from secumail.installation.supervisor import Stack
from tests.corpus import files, readdressed
from tests.people import Office

PEOPLE = 10
CONNECTIONS = 24
TICKS = os.sysconf("SC_CLK_TCK")


async def measure(mails: int) -> dict[str, Any]:
    """Both runs on a private installation."""
    with tempfile.TemporaryDirectory() as directory:
        home = Home(Path(directory), Ports.free())
        async with Stack(home) as stack:
            office = Office(home)
            people = [await office.newcomer() for _ in range(PEOPLE)]
            tokens = [p.headers["Authorization"].removeprefix("Bearer ") for p in people]
            corpus = files()[: mails + 200]
            letters = [
                Letter(
                    tokens[i % PEOPLE],
                    readdressed(
                        corpus[i % len(corpus)].read_bytes(),
                        people[i % PEOPLE].address,
                        people[(i + 1) % PEOPLE].address,
                    ),
                )
                for i in range(mails)
            ]
            ledger = Ledger(home)
            await _run(stack, ledger, letters[:200], None)  # certificates issued, caches warm
            full = await _run(stack, ledger, letters, None)
            half = await _run(stack, ledger, letters[: mails // 2], full["mails_per_second"] / 2)
            await office.close()
            memory = {c.program.name: psutil.Process(c.pid).memory_info().rss // 2**20 for c in stack.children if c.pid}
    return {"machine": _machine(), "mails": mails, "full": full, "half_rate": half, "rss_mb": memory}


async def _run(stack: Stack, ledger: Ledger, letters: list[Letter], rate: float | None) -> dict[str, Any]:
    before, own = _cpu(stack), time.process_time()
    load_before = os.getloadavg()[0]
    start = time.perf_counter()
    sent = await send(stack.home, letters, CONNECTIONS, rate)
    accepted = time.perf_counter() - start
    await ledger.all_done([s.mail for s in sent], within=300)
    took = time.perf_counter() - start
    await asyncio.sleep(2)  # the batches behind the mails (sent log, audit) belong to their price
    after, own_after = _cpu(stack), time.process_time()
    ways = await ledger.ways([s.mail for s in sent])
    per_mail = {name: round((after[name] - before[name]) / len(sent) * 1000, 2) for name in after}
    return {
        "sent": len(sent),
        "mails_per_second": round(len(sent) / took, 1),
        "accepted_per_second": round(len(sent) / accepted, 1),
        "cpu_ms_per_mail": round(sum(per_mail.values()), 2),
        "cpu_ms_per_mail_by_process": per_mail,
        "client_cpu_ms_per_mail": round((own_after - own) / len(sent) * 1000, 2),
        "delivered_ms": _quantiles([w * 1000 for w in ways]),
        "answer_ms": _quantiles([s.took * 1000 for s in sent]),
        "load_average": [round(load_before, 2), round(os.getloadavg()[0], 2)],
    }


def _quantiles(values: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=100)
    return {
        "p50": round(cuts[49], 1),
        "p95": round(cuts[94], 1),
        "p99": round(cuts[98], 1),
        "max": round(max(values), 1),
    }


def _cpu(stack: Stack) -> dict[str, float]:
    """Seconds of CPU each process has used, its children included."""
    used = {}
    for child in stack.children:
        if not child.pid:
            continue
        process = psutil.Process(child.pid)
        family = [process, *process.children(recursive=True)]
        used[child.program.name] = sum(sum(p.cpu_times()[:2]) for p in family)
    return used


def plot(report: dict[str, Any], file: Path) -> None:
    """CPU per mail by process, and how long mails took, as a picture."""
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4), layout="constrained")
    shares = {k: v for k, v in report["full"]["cpu_ms_per_mail_by_process"].items() if v >= 0.1}
    bars = left.barh(list(shares), list(shares.values()), color="#3b6ea5")
    left.bar_label(bars, fmt="%.1f", padding=3)
    left.invert_yaxis()
    left.set_xlabel("ms of CPU for a mail")
    left.set_title(f"{report['full']['cpu_ms_per_mail']} ms in all, {report['full']['mails_per_second']} mails/s")
    for name, label in (("full", "as fast as it goes"), ("half_rate", "at half that rate")):
        seen = report[name]["delivered_ms"]
        right.plot(["p50", "p95", "p99"], [seen["p50"], seen["p95"], seen["p99"]], marker="o", label=label)
    right.set_yscale("log")
    right.set_ylabel("ms from accepted to delivered")
    load = report["full"]["load_average"]
    right.set_title(f"{report['machine']['cores']} cores, load {load[0]} before, {load[1]} after")
    right.legend()
    figure.savefig(file, dpi=120)


def _machine() -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if "model name" in line), "")
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()}


def main() -> None:
    """Measure, write the JSON and the plot, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    given = parser.parse_args()
    report = asyncio.run(measure(given.mails))
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "rates.json").write_text(json.dumps(report, indent=1) + "\n")
    plot(report, given.out / "rates.png")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
