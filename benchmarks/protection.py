"""Protecting mail on one core, beside the programs others use: a report (no gate) and a plot.

    python -m benchmarks.protection [--rounds 5] [--out benchmarks/results]

All that is measured runs on one core, ours and the peers' in turns. A mail of 10 KB is signed, and encrypted to its
recipient and its sender, with S/MIME and OpenPGP; it is signed and sealed for 1 and for 100 mailboxes; a mail of 20 MB
is protected in every form, each in a process of its own whose memory is read from the kernel and from Python.
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
import tracemalloc
from base64 import encodebytes
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from matplotlib import pyplot

from secumail.mailbox.entry import Meta, seal
from secumail.sealing.hpke import PrivateKey
from services.crypto.forms import Form
from services.crypto.openpgp.keys import read_certificate
from services.crypto.protecting import Recipients, Signer, protect
from services.crypto.smime.signing import sign
from tests.interop import mails, mime
from tests.interop.world import PASSWORD, World, opened

SMALL, LARGE = 10_000, 20_000_000
SECONDS = 0.6
LARGE_FORMS = (Form.SIGNED, Form.SMIME_CBC, Form.SMIME_GCM, Form.OPENPGP, Form.SYMMETRIC, Form.ZIP)


def measure(rounds: int) -> dict[str, Any]:
    """All of it; ours and a peer's alternate, and the medians of the rounds count."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with opened() as world:
        raw = mail(world, SMALL)
        measured = {name: act(world, raw) for name, act in _SMALL.items()}
        seen: dict[str, list[float]] = {name: [] for name in measured}
        for _ in range(rounds):
            for name, one in measured.items():
                seen[name].append(one())
        rates = {name: round(statistics.median(found), 1) for name, found in seen.items()}
        file = world.home / "large.eml"
        file.write_bytes(mail(world, LARGE))
        large = {str(form): _large(form, file, rounds) for form in LARGE_FORMS}
        versions = {"openssl": world.openssl.version(), "gpg": world.gpg.version()}
    return {
        "machine": _machine(),
        "versions": versions,
        "rounds": rounds,
        "per_second": rates,
        "times_openssl": round(rates["S/MIME"] / rates["openssl"], 1),
        "times_gpg": round(rates["OpenPGP"] / rates["gpg"], 1),
        "sign_and_seal_for_100_ms": round(1000 / rates["signed and sealed for 100"], 2),
        "mail_of_20_mb": large,
        "load_average": round(os.getloadavg()[0], 2),
    }


def mail(world: World, size: int) -> bytes:
    """A mail of `size` bytes, most of them an attachment."""
    start = mime.header(world.ada.address, world.bob.address) + (
        b'Content-Type: multipart/mixed; boundary="parts"\r\n\r\n'
        b"--parts\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nThe numbers are attached.\r\n"
        b"--parts\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
        b'Content-Disposition: attachment; filename="numbers.bin"\r\n\r\n'
    )
    end = b"--parts--\r\n"
    # A line of base64 has 78 octets for 57.
    lines = (size - len(start) - len(end)) // 78
    return start + encodebytes(os.urandom(lines * 57)).replace(b"\n", b"\r\n") + end


# --- A mail of 10 KB ----------------------------------------------------------------------------------------------

Rate = Callable[[], float]


def _ours(act: Callable[[], object]) -> Rate:
    def rate() -> float:
        done, start = 0, time.perf_counter()
        while (took := time.perf_counter() - start) < SECONDS:
            act()
            done += 1
        return done / took

    act()
    return rate


def _command(line: str, times: int = 40) -> Rate:
    """The rate of a line of the shell, which runs it again and again: nothing of Python is in it."""
    script = f"i=0; while [ $i -lt {times} ]; do {line} || exit 1; i=$((i+1)); done"

    def rate() -> float:
        start = time.perf_counter()
        subprocess.run(["/bin/sh", "-c", script], check=True, capture_output=True)
        return times / (time.perf_counter() - start)

    return rate


def _smime(world: World, raw: bytes) -> Rate:
    recipients, signer = Recipients(certificates=(world.bob.certificate,)), mails.signer(world)
    return _ours(lambda: protect(raw, Form.SMIME_CBC, recipients, signer, world.now))


def _openssl(world: World, raw: bytes) -> Rate:
    files = {
        "mail": raw,
        "signer": world.ada.certificate_pem,
        "key": world.ada.key_pem,
        "chain": world.ada.chain_pem,
        "bob": world.bob.certificate_pem,
        "ada": world.ada_rsa.certificate_pem,
    }
    for name, content in files.items():
        (world.home / name).write_bytes(content)
    at = world.home
    return _command(
        f"openssl cms -sign -binary -in {at}/mail -signer {at}/signer -inkey {at}/key -certfile {at}/chain"
        f" | openssl cms -encrypt -aes-256-cbc -binary -out {at}/out {at}/bob {at}/ada"
    )


def _openpgp(world: World, raw: bytes) -> Rate:
    recipients = Recipients(openpgp=(read_certificate(world.gpg.public(world.bob_gpg)),))
    signer = mails.openpgp_signer(world)
    return _ours(lambda: protect(raw, Form.OPENPGP, recipients, signer, world.now))


def _gpg(world: World, raw: bytes) -> Rate:
    (world.home / "mail").write_bytes(raw)
    ada = world.gpg.import_(world.ada_openpgp.certificate)
    # Ours doesn't compress either.
    return _command(
        f"gpg --homedir {world.gpg.home} --batch --no-tty --yes --trust-model always --compress-algo none --armor"
        f" --sign --encrypt --recipient {world.bob_gpg} --recipient {ada} --output {world.home}/out {world.home}/mail"
    )


def _sealed(owners: int) -> Callable[[World, bytes], Rate]:
    def prepared(world: World, raw: bytes) -> Rate:
        ada = world.ada
        mailboxes = [(uuid4(), PrivateKey.generate().public) for _ in range(owners)]

        def act() -> None:
            root = uuid4()
            entry = seal(root, sign(raw, ada.key, ada.certificate, ada.chain), Meta(subject="Numbers"))
            for account, owner in mailboxes:
                entry.wrap(root, account, owner)

        return _ours(act)

    return prepared


_SMALL: dict[str, Callable[[World, bytes], Rate]] = {
    "S/MIME": _smime,
    "openssl": _openssl,
    "OpenPGP": _openpgp,
    "gpg": _gpg,
    "signed and sealed for 1": _sealed(1),
    "signed and sealed for 100": _sealed(100),
}

# --- A mail of 20 MB ----------------------------------------------------------------------------------------------


def _large(form: Form, file: Path, rounds: int) -> dict[str, Any]:
    """The time it takes, and the memory it needs beside the mail itself, the result included, as times the mail's size:
    by the kernel (all of the process) and by Python (what its objects need)."""
    runs = [_child(form, file) for _ in range(rounds)]
    traced = _child(form, file, "--traced")
    return {
        "ms": round(statistics.median(run["ms"] for run in runs), 1),
        "memory": round(statistics.median(run["memory"] for run in runs), 2),
        "memory_of_python": round(traced["memory"], 2),
    }


def _child(form: Form, file: Path, *options: str) -> dict[str, float]:
    argv = [sys.executable, "-m", "benchmarks.protection", "--form", form, "--mail", str(file), *options]
    done = subprocess.run(argv, check=True, capture_output=True)
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


def protect_one(form: Form, file: Path, traced: bool) -> dict[str, float]:
    """In a process of its own, which has protected a small mail before."""
    with opened() as world:
        signer: Signer = mails.openpgp_signer(world) if form is Form.OPENPGP else mails.signer(world)
        recipients = Recipients((world.bob.certificate,), (world.ada_openpgp.certificate,), (PASSWORD,))
        # What is loaded and set up once is no part of a mail's price.
        protect(mail(world, SMALL), form, recipients, signer, world.now)
        raw = file.read_bytes()
        # Forgets the peak of the start (proc(5)).
        Path("/proc/self/clear_refs").write_text("5")
        before = _kernel("VmRSS")
        if traced:
            tracemalloc.start()
        start = time.perf_counter()
        protect(raw, form, recipients, signer, world.now)
        took = time.perf_counter() - start
        peak = tracemalloc.get_traced_memory()[1] if traced else _kernel("VmHWM") - before
        return {"ms": took * 1000, "memory": peak / len(raw)}


def _kernel(field: str) -> int:
    """Bytes of this process's memory by /proc: VmRSS now, VmHWM at most."""
    (kilobytes,) = re.findall(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(kilobytes) * 1024


# --- The report ---------------------------------------------------------------------------------------------------


def plot(report: dict[str, Any], file: Path) -> None:
    """Mails a second beside the peers, and what a large mail needs."""
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4), layout="constrained")
    rates = report["per_second"]
    colors = ["#b0b0b0" if name in ("openssl", "gpg") else "#3b6ea5" for name in rates]
    left.bar_label(left.barh(list(rates), list(rates.values()), color=colors), fmt="%.0f", padding=3)
    left.set_xscale("log")
    left.set_xlim(10, max(rates.values()) * 4)
    left.invert_yaxis()
    left.set_xlabel("a second, on one core")
    left.set_title(f"10 KB: {report['times_openssl']} x openssl, {report['times_gpg']} x gpg")
    large = report["mail_of_20_mb"]
    names = [f"{name}, {seen['ms']:.0f} ms" for name, seen in large.items()]
    bars = right.barh(names, [seen["memory"] for seen in large.values()], color="#3b6ea5")
    right.bar_label(bars, fmt="%.1f", padding=3)
    right.set_xlim(0, 7)
    right.axvline(3, color="#b03030", linestyle="--")
    right.invert_yaxis()
    right.set_xlabel("times its size in memory, beside it; line: the aim")
    right.set_title("A mail of 20 MB")
    figure.savefig(file, dpi=120)


def _machine() -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if "model name" in line), "")
    return {"cpu": model, "cores_used": 1, "kernel": platform.release(), "python": platform.python_version()}


def main() -> None:
    """Measure, write the JSON and the plot, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--form", type=Form, help=argparse.SUPPRESS)
    parser.add_argument("--mail", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--traced", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.form:
        print(json.dumps(protect_one(given.form, given.mail, given.traced)))
        return
    report = measure(given.rounds)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "protection.json").write_text(json.dumps(report, indent=1) + "\n")
    plot(report, given.out / "protection.png")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
