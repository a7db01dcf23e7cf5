"""A fuzzer that watches the readers' lines finds no file that makes the walk fail, for a fixed number of inputs."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.unit.dlp import hiding

RUNS = 4000
ROOT = Path(__file__).parents[3]


def test_no_file_makes_the_walk_fail(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, place in enumerate(hiding.PLACES.values()):
        _, data = place("falcon")
        if len(data) <= 8192:
            (corpus / f"{number:03}").write_bytes(b"\0" + data)
    options = [f"-runs={RUNS}", "-seed=7", "-max_len=8192", "-timeout=20", "-rss_limit_mb=2048"]
    command = [sys.executable, "-m", "tests.unit.dlp.fuzzing", str(corpus), *options, f"-artifact_prefix={tmp_path}/"]
    same = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, cwd=ROOT, env=same, capture_output=True, check=False, timeout=300)
    said = done.stderr.decode("utf-8", "replace")
    assert done.returncode == 0, said[-3000:]
    ran = re.search(r"Done (\d+) runs", said)
    assert ran is not None and int(ran[1]) >= RUNS
