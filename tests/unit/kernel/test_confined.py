"""A process that reads what strangers made: what it may not do, and what whoever asked it is told."""

import io
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secumail.confined import Broken, Confined, Ended, Pool, read, write

MODULE = "tests.unit.kernel.odd_jobs"


@pytest.fixture
def process() -> Iterator[Confined]:
    process = Confined(MODULE, wall=20)
    yield process
    process.end()


def ends(process: Confined, job: str, *files: bytes) -> Ended:
    with pytest.raises(Ended) as ended:
        list(process.job(job, files))
    assert process.ended
    return ended.value


def test_job_after_job_is_answered(process: Confined) -> None:
    for _ in range(2):
        assert list(process.job("echo", [b"one", b""])) == [(0, [b"one"]), (1, [b""])]


def test_it_is_given_nothing_of_the_services_environment(process: Confined, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECUMAIL_SECRETS", "/run/secrets")
    fresh = Confined(MODULE, wall=20)
    try:
        [(names, _)] = fresh.job("environment")
    finally:
        fresh.end()
    assert "PATH" in names and not any("SECUMAIL" in name for name in names)


@pytest.mark.parametrize("job", ["grow", "write", "die"])
def test_what_breaks_a_limit_ends_it(process: Confined, job: str) -> None:
    assert not ends(process, job, b"written").late


def test_endless_computing_is_too_late(process: Confined) -> None:
    assert ends(process, "compute").late


def test_endless_waiting_is_too_late() -> None:
    assert ends(Confined(MODULE, wall=1), "wait").late


def test_a_program_it_started_ends_with_it() -> None:
    process = Confined(MODULE, wall=1)
    started = []
    with pytest.raises(Ended):
        for pid, _ in process.job("start another"):
            started.append(psutil.Process(pid))
    [program] = started
    assert program.wait(timeout=10) is None


def test_what_it_writes_where_it_may_lies_in_memory_and_goes_with_it() -> None:
    process = Confined(MODULE, wall=20, scratch=True)
    [(path, _)] = process.job("write", [b"written"])
    folder = Path(path).parent
    assert folder.parent == Path("/dev/shm") and folder.exists()
    process.end()
    assert not folder.exists()


def test_what_one_left_who_was_killed_is_swept_away() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    left, kept = (Path(f"/dev/shm/secumail-{pid}-test") for pid in (gone.pid, os.getpid()))
    for folder in (left, kept):
        folder.mkdir()
        (folder / "picture").write_bytes(b"of somebody's")
    try:
        Confined(MODULE, wall=20, scratch=True).end()
        assert kept.exists() and not left.exists()
    finally:
        shutil.rmtree(kept)


def test_whoever_stops_listening_does_not_leave_the_rest_to_the_next() -> None:
    pool = Pool(1, lambda: Confined(MODULE, wall=20))
    try:
        with pool.taken() as process, closing(process.job("echo", [b"mine", b"mine too"])) as answers:
            next(answers)
        with pool.taken() as process:
            assert list(process.job("echo", [b"theirs"])) == [(0, [b"theirs"])]
    finally:
        pool.close()


def test_a_pool_gives_a_fresh_one_for_one_that_ended() -> None:
    pool = Pool(1, lambda: Confined(MODULE, wall=20))
    try:
        pool.warm()
        with pool.taken() as process:
            ends(process, "die")
        with pool.taken() as process:
            assert list(process.job("echo", [b"again"])) == [(0, [b"again"])]
    finally:
        pool.close()


@given(st.recursive(st.none() | st.integers() | st.text(), st.lists), st.lists(st.binary(max_size=50), max_size=4))
def test_what_is_written_is_read(head: object, files: list[bytes]) -> None:
    pipe = io.BytesIO()
    write(pipe, head, files)
    pipe.seek(0)
    assert read(pipe) == (head, files)


def test_half_a_character_becomes_a_question_mark() -> None:
    pipe = io.BytesIO()
    write(pipe, "\ud800")
    pipe.seek(0)
    assert read(pipe)[0] == "?"


@given(st.binary(max_size=200))
def test_rubbish_is_no_frame(rubbish: bytes) -> None:
    with pytest.raises(Broken):
        read(io.BytesIO(rubbish))


@pytest.mark.parametrize("told", [b"[1,[9]]", b"[1,[-1,1]]", b"[1]", b"1", b'[1,"x"]', b"[1,[null]]"])
def test_sizes_that_lie_are_no_frame(told: bytes) -> None:
    with pytest.raises(Broken):
        read(io.BytesIO(len(told).to_bytes(4) + bytes(4) + told + bytes(20)))


def test_a_frame_beyond_the_limit_is_not_waited_for() -> None:
    with pytest.raises(Broken):
        read(io.BytesIO(b"\xff" * 8 + os.urandom(100)))
