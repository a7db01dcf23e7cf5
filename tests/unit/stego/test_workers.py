"""Pictures are worked on in processes that may be killed, run out of time, or run out of memory."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import psutil
import pytest

from secumail.errors import Refused
from services.stego import hiding
from services.stego.workers import Workers
from tests.pictures import encoded, photograph

KEY = bytes(range(32))
COVERS = [photograph(240, 200, seed=1), photograph(480, 400, "JPEG", seed=2)]


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with closing(Workers()) as started:
        yield started


def children() -> list[psutil.Process]:
    return [p for p in psutil.Process().children() if "services.stego.worker" in " ".join(p.cmdline())]


def test_a_process_gives_what_the_functions_give(workers: Workers) -> None:
    told: list[tuple[int, int]] = []
    hidden = workers.hide(COVERS, b"the plan", KEY, "normal", lambda done, of: told.append((done, of)))
    assert hidden == hiding.hide(COVERS, b"the plan", KEY)
    assert told == [(1, 2), (2, 2)]
    assert workers.reveal([one.file for one in hidden], KEY) == b"the plan"
    assert workers.judge(COVERS[1]) == hiding.judge(COVERS[1])
    assert workers.together(COVERS) == hiding.together(COVERS)


def test_a_refusal_keeps_its_words_and_the_process_goes_on(workers: Workers) -> None:
    (before,) = children()
    with pytest.raises(Refused) as caught:
        workers.judge(b"GIF89a")
    assert (caught.value.code, "JPEG" in caught.value.fix) == ("cover-format", True)
    with pytest.raises(Refused) as caught:
        workers.reveal(COVERS, KEY)
    assert caught.value.code == "nothing-hidden"
    assert children() == [before]


def test_a_process_that_is_killed_in_work_is_replaced_and_the_work_done(workers: Workers) -> None:
    (before,) = children()
    ends = time.monotonic() + 30

    def kill_in_work() -> None:
        cpu = before.cpu_times().user
        while before.cpu_times().user < cpu + 0.03 and time.monotonic() < ends:
            pass
        before.send_signal(signal.SIGKILL)

    killer = threading.Thread(target=kill_in_work)
    killer.start()
    hidden = workers.hide(COVERS, b"the plan", KEY, "normal")
    killer.join()
    assert workers.reveal([one.file for one in hidden], KEY) == b"the plan"
    assert before.pid not in [p.pid for p in children()]


def test_what_takes_too_long_is_ended_and_said() -> None:
    with closing(Workers(wall=0.05)) as hurried, pytest.raises(Refused) as caught:
        hurried.judge(photograph(800, 600))
    assert caught.value.code == "cover-too-long"
    assert "Scale the picture down" in caught.value.fix


def test_what_takes_too_much_memory_is_refused() -> None:
    large = encoded(np.random.default_rng(3).integers(0, 256, (2500, 4000, 3), np.uint8), compress_level=0)
    with closing(Workers(memory=350 * 2**20)) as small:
        with pytest.raises(Refused) as caught:
            small.judge(large)
        assert caught.value.code in ("cover-memory", "cover-unworkable")
        assert small.judge(COVERS[0]).kind == "png", "it works on for the next"


def test_a_process_knows_no_secret_of_the_service_and_leaves_no_picture_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SECUMAIL_SECRETS", "/a/place")
    before = children()
    with closing(Workers()) as fresh:
        fresh.judge(COVERS[1])
        (child,) = (process for process in children() if process not in before)
        assert not any(name.startswith("SECUMAIL") for name in child.environ())
        folder = Path(child.environ()["TMPDIR"])
        assert folder.parent == Path("/dev/shm")
        assert list(folder.iterdir()) == []
    assert not folder.exists()
