"""Crashes, kills, bad disks and damaged files: promises P1 to P4, and that these tests have teeth.

A check is a plain function that raises `AssertionError`; the sabotage tests at the end call the
same checks on storage that has lost one of its precautions, and want them to fail.
"""

import errno
import itertools
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers import daily

from bpjax.errors import ResultsError
from bpjax.results import chunks, files
from bpjax.results.export import export_table
from bpjax.results.extent import seeds_told
from bpjax.results.store import (
    DamagedChunk,
    SweepFolder,
    held_by,
    read_runs,
    verify,
)

ROOT = Path(files.__file__).parents[2]
NUM_RUNS, CHUNK = 12, 4


def ranges_by_chunk(num_runs=NUM_RUNS, chunk=CHUNK):
    """Every run in one chunk, and chunks with holes: each three share a stretch, two runs in turn.

    A dozen runs make chunks that begin with the runs 0, 2 and 4.
    """
    for first in range(0, num_runs, 3 * chunk):
        runs = np.arange(first, min(first + 3 * chunk, num_runs))
        turns = [runs[(runs - first) // 2 % 3 == turn] for turn in range(3)]
        yield from (chunks.ranges_of(turn) for turn in turns if len(turn))


FIRST, SECOND, THIRD = ranges_by_chunk()


ENVIRONMENT = {"versions": {"jax": "0.10.2"}, "device_kind": "cpu", "num_devices": 1}


def identity(num_runs=NUM_RUNS, momentum=0.9, rows="runs"):
    recipe = {"max_epochs": 1000, "init_range": 0.3, "initializer": "", "momentum": momentum}
    return {
        "task": {
            "name": "xor",
            "options": {},
            "network": {"layers": [{"size": 2}, {"size": 1}]},
            "held_out": 0,
            "criterion": "tolerance 0.5",
            "recipe": recipe,
        },
        "grid": {},
        "columns": [],
        "seeds": [[0, num_runs]],
        "precision": "float32",
        "implementation": "matrix",
        "block_size": 512,
        "rows": rows,
        "weight_names": None,
        "xla_flags": "",
        **dict.fromkeys(("bpjax", "jax", "jaxlib", "optax"), "0.1"),
        "device_kind": "cpu",
        "runs": None,
        "shard": None,
    }


def columns(ranges, rows="runs"):
    runs = chunks.every_run(chunks.as_ranges(ranges))
    if rows == "counts":
        status, count = np.unique((1 + runs % 3).astype(np.int8), return_counts=True)
        return {"status": status, "epochs": np.full(len(status), 9, np.int32), "count": count}
    return {
        "seed": runs.astype(np.uint32),
        "status": (1 + runs % 3).astype(np.int8),
        "epochs": (runs * 37 % 1000).astype(np.int32),
        "loss": (1 / (runs + 3)).astype(np.float32),
    }


def run_sweep(path, published, num_runs=NUM_RUNS, chunk=CHUNK, rows="runs"):
    """A sweep in miniature; tells `published` each start once the runs are said to be safe."""
    with SweepFolder.open_for_writing(path, identity(num_runs, rows=rows), ENVIRONMENT) as folder:
        missing = chunks.without(folder.runs, held_by(folder.survey().intact))
        for ranges in ranges_by_chunk(num_runs, chunk):
            if not len(chunks.without(ranges, missing)):
                folder.publish_chunk(ranges, columns(ranges, rows))
                published(int(ranges[0, 0]))
        seeds = seeds_told(chunks.as_ranges([(0, num_runs)]))
        folder.write_summary({"num_runs": num_runs, "seeds": seeds})


def exported(path):
    file = path.parent / f"{path.name}.csv"
    export_table(read_runs(path), file)
    return file.read_bytes()


def starts_of(survey):
    return {int(chunk.runs[0, 0]) for chunk in survey.intact}


def chunk_files(path):
    """Contents, inode and time of every chunk file: equal if and only if none was written again."""
    return {
        file.name: (file.read_bytes(), file.stat().st_ino, file.stat().st_mtime_ns)
        for file in (path / "chunks").glob("*.npz")
    }


# ---- P1: the k-th step of input or output fails -------------------------------------------------

STEPS = (
    "listing", "read", "create", "write", "sync",
    "replace", "remove", "make", "sync_folder", "lock",
)  # fmt: skip


class Kill(BaseException):
    """Ends the program like SIGKILL: whatever it tries after that does not happen either."""


class Disk:
    """Replaces the steps of `files` by ones that count, and fail at the k-th in the given way."""

    def __init__(self, patch, fail_at=-1, how=""):
        self.names, self.fail_at, self.how, self.dead = [], fail_at, how, False
        for name in STEPS:
            patch.setattr(files, name, self.step(name, getattr(files, name)))

    def step(self, name, real):
        def stepped(*arguments):
            if self.dead:
                raise Kill
            self.names.append(name)
            if len(self.names) - 1 != self.fail_at:
                return real(*arguments) if name != "sync" else None  # time, and no effect to see
            return self.fail(name, real, arguments)

        return stepped

    def fail(self, name, real, arguments):
        if name == "write":
            file, data = arguments
            if self.how in ("half", "EIO", "ENOSPC"):
                real(file, data[: len(data) // 2])
            if self.how == "garbled":  # the disk says yes and stores something else
                return real(file, data[:-1] + bytes([data[-1] ^ 4]))
        if self.how in ("EIO", "ENOSPC"):
            number = getattr(errno, self.how)
            raise OSError(number, os.strerror(number))
        self.dead = True
        if self.how == "after":
            result = real(*arguments)
            if name == "create":
                result.close()
            if name == "lock":
                os.close(result)
        raise Kill


HOWS = ("before", "half", "after", "EIO", "ENOSPC", "garbled")


def prepare_nothing(path, rows="runs"):
    pass


def prepare_half(path, rows="runs"):
    """A sweep that was killed before: one chunk done, one damaged, two temporary files around."""
    with SweepFolder.open_for_writing(path, identity(rows=rows), ENVIRONMENT) as folder:
        folder.publish_chunk(FIRST, columns(FIRST, rows))
        folder.publish_chunk(THIRD, columns(THIRD, rows)).write_bytes(b"short")
    (path / ".bpjax-00.tmp").write_bytes(b"x")
    (path / "chunks" / ".bpjax-00.tmp").write_bytes(b"x")


def check_one_failure(path, prepare, fail_at, how, rows):
    """Let one step fail, look at what is there, resume on a healthy disk, compare with truth."""
    prepare(path, rows)
    safe: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(patch, fail_at, how)
        try:
            run_sweep(path, safe.append, rows=rows)
        except Kill:
            sentence = None
        except ResultsError as fault:
            sentence = str(fault)
        else:
            sentence = ""
    assert disk.dead is (sentence is None)
    if sentence:
        assert "\n" not in sentence
        assert how == "garbled" or os.strerror(getattr(errno, how)) in sentence
    before = chunk_files(path)
    if (path / "sweep.json").exists():
        survey = SweepFolder.open_for_reading(path).survey()
        assert starts_of(survey) >= set(safe), "a finished chunk is lost"
        unreplaced = {fault.start for fault in survey.damaged}
        assert unreplaced <= ({4} if prepare is prepare_half else set()), "a half file shows"
    else:
        assert not safe
        survey = None
    again: list[int] = []
    run_sweep(path, again.append, rows=rows)
    assert not set(again) & set(safe), "a finished chunk was computed again"
    after = chunk_files(path)
    for chunk in survey.intact if survey else ():
        assert after[chunk.path.name] == before[chunk.path.name], "a finished chunk was rewritten"
    assert not [file for file in path.rglob("*") if files.is_temporary(file.name)]
    assert (path / "summary.json").exists()
    truth = path.parent / "truth"
    if not truth.exists():
        run_sweep(truth, lambda start: None, rows=rows)
    assert exported(path) == exported(truth)
    assert {name: file[0] for name, file in after.items()} == {
        name: file[0] for name, file in chunk_files(truth).items()
    }


def check_every_failure(tmp_path, prepare, hows=HOWS, rows="runs"):
    """P1: for every step k of a sweep and every way to fail there."""
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(patch)
        prepare(tmp_path / "counted", rows)
        disk.names.clear()
        run_sweep(tmp_path / "counted", lambda start: None, rows=rows)
    for how in hows:
        for fail_at, name in enumerate(disk.names):
            if name != "write" and how in ("half", "garbled"):
                continue  # nothing in between: the same as "before", or as no failure
            try:
                check_one_failure(tmp_path / f"{how}-{fail_at}", prepare, fail_at, how, rows)
            except (AssertionError, ResultsError) as fault:
                raise AssertionError(f"step {fail_at} ({name}), {how}: {fault}") from fault
    return disk.names


@pytest.mark.parametrize(
    ("prepare", "rows"),
    daily(
        [(prepare_half, "runs")],
        of=itertools.product([prepare_nothing, prepare_half], ["runs", "counts"]),
    ),
)
def test_whatever_step_fails_nothing_finished_is_lost(tmp_path, prepare, rows):
    names = check_every_failure(tmp_path, prepare, rows=rows)
    used = set(STEPS) - ({"remove"} if prepare is prepare_nothing else set())
    assert set(names) >= used - ({"make"} if prepare is prepare_half else set())


def test_publishing_follows_the_recipe(tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(patch)
        files.publish(tmp_path / "file", b"data")
        assert disk.names == ["create", "write", "sync", "read", "replace", "sync_folder"]
        disk.names.clear()
        files.make_folders(tmp_path / "a" / "b")
        assert disk.names == ["make", "sync_folder"] * 2


# ---- P2: real kills ------------------------------------------------------------------------------

WORKER = """
import os, sys
sys.path[:0] = [{root!r}, {tests!r}]
import test_faults
for line in sys.stdin:
    path, num_runs = line.rstrip("\\n").rsplit(" ", 1)
    child = os.fork()
    if child == 0:
        os.write(1, b"started %d\\n" % os.getpid())
        test_faults.run_sweep(
            path, lambda start: os.write(1, b"published %d\\n" % start), int(num_runs), 3
        )
        os._exit(0)
    sys.stdin.readline()  # until it is killed, so that its number is nobody else's
    os.waitpid(child, 0)
    os.write(1, b"ended\\n")
"""


def tell(worker, line):
    worker.stdin.write(f"{line}\n")
    worker.stdin.flush()


def undisturbed_life(worker, path, num_runs):
    """Return how many seconds a writer takes that nobody kills."""
    tell(worker, f"{path} {num_runs}")
    worker.stdout.readline()  # it has imported all, and begins
    began = time.monotonic()
    tell(worker, "killed")  # but it was not: its own end is awaited
    assert any(line == "ended\n" for line in iter(worker.stdout.readline, ""))
    assert (path / "summary.json").exists()
    return time.monotonic() - began


def check_kills(tmp_path, num_kills, seed, num_runs=300):
    """P2: kill a writer at random moments, over and over; look at the folder after each.

    A writer lives for a third of the time that it needs, on average.
    """
    dice = random.Random(seed)
    run_sweep(tmp_path / "truth", lambda start: None, num_runs)
    truth = exported(tmp_path / "truth")
    program = WORKER.format(root=str(ROOT), tests=str(Path(__file__).parent))
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as worker:
        life = undisturbed_life(worker, tmp_path / "undisturbed", num_runs)
        safe, sweeps, in_flight = set(), 0, 0
        while num_kills:
            path = tmp_path / f"sweep {sweeps}"
            tell(worker, f"{path} {num_runs}")
            child = int(worker.stdout.readline().removeprefix("started "))
            time.sleep(dice.expovariate(3 / life))
            os.kill(child, signal.SIGKILL)
            tell(worker, "killed")
            for line in iter(worker.stdout.readline, "ended\n"):
                start = int(line.removeprefix("published "))
                assert start not in safe, "a finished chunk was computed again"
                safe.add(start)
            num_kills -= 1
            if (path / "sweep.json").exists():
                survey = SweepFolder.open_for_reading(path).survey()
                assert survey.damaged == ()
                found = starts_of(survey)
                assert found >= safe, "a finished chunk is lost"
                assert len(found - safe) <= 1, "more than the chunk in flight was not told"
                in_flight += len(found - safe)
                safe = found
            if (path / "summary.json").exists():
                assert exported(path) == truth
                safe, sweeps = set(), sweeps + 1
        worker.stdin.close()
    run_sweep(path, lambda start: None, num_runs, 3)
    assert exported(path) == truth
    return sweeps, in_flight


def test_kills_at_random_moments_lose_and_repeat_nothing(tmp_path):
    sweeps, _ = check_kills(tmp_path, num_kills=40, seed=1986)
    assert sweeps > 0


@pytest.mark.slow
def test_hundreds_of_kills_lose_and_repeat_nothing(tmp_path):
    sweeps, in_flight = check_kills(tmp_path, num_kills=600, seed=533)
    assert sweeps > 5
    assert in_flight > 0  # some kills hit between the rename and the word of it


# ---- P3: damaged files ---------------------------------------------------------------------------


def check_is_named_and_recomputed(path, starts, truth):
    """The files of these starts are damaged, all else is used; a resume repairs just them."""
    report = verify(path)
    assert not report.ok
    assert {damage.start for damage in report.damaged} == set(starts)
    assert report.num_chunks == 3 - len(starts)
    lost = [ranges for ranges in (FIRST, SECOND, THIRD) if ranges[0, 0] in starts]
    assert sorted(chunks.every_run(chunks.as_ranges(report.missing))) == sorted(
        run for ranges in lost for run in chunks.every_run(ranges)
    )
    for damage in report.damaged:
        assert damage.path.name == chunks.chunk_name(damage.start, damage.start + 8)
    for kept in SweepFolder.open_for_reading(path).survey().damaged:
        assert kept.__traceback__ is kept.__context__ is None  # else it keeps the file's bytes
    named = f"{report.damaged[0].path.name}' .some of seeds "
    with pytest.raises(DamagedChunk, match=named) as fault:
        read_runs(path, allow_partial=True)
    assert "\n" not in str(fault.value)
    before, again = chunk_files(path), []
    run_sweep(path, again.append)
    assert again == sorted(starts)
    after = chunk_files(path)
    assert {name for name in after if after[name] != before[name]} == {
        damage.path.name for damage in report.damaged
    }
    assert verify(path).ok
    assert exported(path) == truth


def check_damage_is_found(tmp_path):
    """P3: every flipped bit, every truncation, added bytes; files in the place of others."""
    path = tmp_path / "sweep"
    run_sweep(path, lambda start: None)
    truth = exported(path)
    folder = SweepFolder.open_for_reading(path)
    first, second, third = (chunk.path for chunk in folder.chunks())
    data, dice = second.read_bytes(), random.Random(0)

    def refused(bad):
        second.write_bytes(bad)
        with pytest.raises(DamagedChunk, match="checksum"):
            folder.read_chunk(second)

    try:
        for position in range(len(data)):
            flipped = bytearray(data)
            flipped[position] ^= 1 << dice.randrange(8)
            refused(flipped)
        for length in range(0, len(data), 7):
            refused(data[:length])
        refused(data + b"\0")
        refused(b"\0" + data)
    except pytest.fail.Exception as fault:
        raise AssertionError("a damaged file was read") from fault
    check_is_named_and_recomputed(path, [2], truth)

    second.rename(tmp_path / "aside")  # swapped names
    third.rename(second)
    (tmp_path / "aside").rename(third)
    check_is_named_and_recomputed(path, [2, 4], truth)

    shutil.copy(first, second)  # a copy under another's name
    assert verify(path).damaged[0].reason == "it holds seeds 0 to 7"
    check_is_named_and_recomputed(path, [2], truth)

    other = tmp_path / "other"
    with SweepFolder.open_for_writing(other, identity(momentum=0.5), ENVIRONMENT) as foreign:
        shutil.copy(foreign.publish_chunk(FIRST, columns(FIRST)), first)
    assert verify(path).damaged[0].reason == "it belongs to another sweep"
    check_is_named_and_recomputed(path, [0], truth)

    for file in (first, second, third):
        file.write_bytes(b"")
    check_is_named_and_recomputed(path, [0, 2, 4], truth)


def test_damage_is_found_named_and_repaired(tmp_path):
    check_damage_is_found(tmp_path)


def test_a_sector_that_cannot_be_read_is_damage_and_a_permission_is_not(tmp_path, monkeypatch):
    path = tmp_path / "sweep"
    run_sweep(path, lambda start: None)
    bad = path / "chunks" / chunks.chunk_name(2, 10)
    read, number = files.read, errno.EIO

    def unreadable(file, *rest):
        if file == bad:
            raise OSError(number, os.strerror(number))
        return read(file, *rest)

    monkeypatch.setattr(files, "read", unreadable)
    (damage,) = verify(path).damaged
    assert damage.path == bad
    assert damage.reason == "the disk cannot read it"
    number = errno.EACCES
    with pytest.raises(ResultsError, match=r"cannot read .*: Permission denied") as fault:
        verify(path)
    assert not isinstance(fault.value, DamagedChunk)


# ---- P4: no space, no permission, no folder ------------------------------------------------------


def check_interrupted(path, words):
    """Publishing fails with one line, what was there stays, and a resume completes the sweep."""
    before = chunk_files(path)
    with pytest.raises(ResultsError, match=words) as fault:
        run_sweep(path, lambda start: None)
    assert "\n" not in str(fault.value)
    assert chunk_files(path) == before
    assert not [file for file in path.rglob("*") if files.is_temporary(file.name)]


@pytest.fixture
def started(tmp_path):
    with SweepFolder.open_for_writing(
        tmp_path / "sweep", identity(rows="runs"), ENVIRONMENT
    ) as folder:
        folder.publish_chunk(FIRST, columns(FIRST))
    return tmp_path / "sweep"


def resumes(path):
    again = []
    run_sweep(path, again.append)
    assert again == [2, 4]
    return verify(path).ok


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs the always-full device of Linux")
def test_a_full_disk(started, monkeypatch):
    def on_the_full_disk(path):
        return open("/dev/full", "wb") if path.parent.name == "chunks" else create(path)

    create = files.create
    with monkeypatch.context() as patch:
        patch.setattr(files, "create", on_the_full_disk)
        check_interrupted(started, r"cannot write to '.*chunks': No space left on device\.")
        patch.setattr(files, "probe", lambda folder: None)  # it was filled only later
        check_interrupted(
            started, r"cannot write .*-000000000000010\.npz': No space left on device\."
        )
    assert resumes(started)


def test_a_file_larger_than_the_system_allows(started, monkeypatch):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, hard))  # the kernel writes 600 bytes of them
    try:
        check_interrupted(started, "cannot write to '.*chunks': File too large")
        with monkeypatch.context() as patch:
            patch.setattr(files, "probe", lambda folder: None)  # a smaller file did fit
            check_interrupted(started, r"cannot write .*-000000000000010\.npz': File too large")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert resumes(started)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_a_folder_that_turned_read_only(started, monkeypatch, number):
    def refused(path):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(files, "create", refused)
        check_interrupted(started, f"cannot write .*: {os.strerror(number)}")
        assert read_runs(started, allow_partial=True).columns["seed"].tolist() == [0, 1, 6, 7]
    assert resumes(started)


def test_a_folder_that_vanishes_on_the_way(tmp_path):
    path = tmp_path / "sweep"
    with SweepFolder.open_for_writing(path, identity(rows="runs"), ENVIRONMENT) as folder:
        folder.publish_chunk(FIRST, columns(FIRST))
        shutil.rmtree(path)
        with pytest.raises(ResultsError, match=r"cannot write .*: No such file or directory"):
            folder.publish_chunk(SECOND, columns(SECOND))
    assert not path.exists()
    run_sweep(path, lambda start: None)
    assert verify(path).ok


# ---- P16: the checks above fail when the storage is broken on purpose ----------------------------


def in_place(path, data):
    """No temporary name, no rename."""
    with files.explained("write", path), open(path, "wb") as file:
        files.write(file, data)
        files.sync(file)


def unread(path, data):
    """All of the recipe, but for the look at what was written."""
    temporary = path.parent / ".bpjax-0.tmp"
    with files.explained("write", path):
        with open(temporary, "wb") as file:
            files.write(file, data)
            files.sync(file)
        files.replace(temporary, path)


def renamed_too_early(path, data):
    """The right steps in the wrong order."""
    temporary = path.parent / ".bpjax-0.tmp"
    with files.explained("write", path), open(temporary, "wb") as file:
        files.replace(temporary, path)
        files.write(file, data)
        files.sync(file)


@pytest.mark.parametrize(
    ("publish", "how", "words"),
    [
        (in_place, "half", r"sweep\.json' is damaged"),
        (in_place, "ENOSPC", r"sweep\.json' is damaged"),
        (unread, "garbled", "a finished chunk is lost"),  # one manifest, whose copy is intact
        (renamed_too_early, "before", r"sweep\.json' is damaged"),
    ],
)
def test_a_naive_publisher_loses_the_manifest(tmp_path, monkeypatch, publish, how, words):
    monkeypatch.setattr(files, "publish", publish)
    with pytest.raises(AssertionError, match=f"step .*{words}"):
        check_every_failure(tmp_path, prepare_nothing, [how])


@pytest.mark.parametrize(
    ("publish", "how", "words"),
    [
        (in_place, "half", "a half file shows"),
        (in_place, "ENOSPC", "a half file shows"),
        (unread, "garbled", "a finished chunk is lost"),
        (renamed_too_early, "before", "a half file shows"),
    ],
)
def test_a_naive_publisher_loses_chunks(tmp_path, monkeypatch, publish, how, words):
    monkeypatch.setattr(files, "publish", publish)
    with pytest.raises(AssertionError, match=f"step .*{words}"):
        check_every_failure(tmp_path, prepare_half, [how])


WRITE_IN_PLACE = """import test_faults, time
def publish(path, data):
    with open(path, "wb", buffering=0) as file:
        for start in range(0, len(data), 100):
            file.write(data[start : start + 100])
            time.sleep(1e-4)
test_faults.files.publish = publish
"""


def test_a_naive_publisher_does_not_survive_kills(tmp_path, monkeypatch):
    naive = WORKER.replace("import test_faults\n", WRITE_IN_PLACE)
    monkeypatch.setitem(globals(), "WORKER", naive)
    with pytest.raises((AssertionError, ResultsError), match="damaged"):
        check_kills(tmp_path, num_kills=200, seed=1986)


def test_without_a_checksum_damage_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "check_seal", lambda data: None)
    with pytest.raises(AssertionError, match="a damaged file was read"):
        check_damage_is_found(tmp_path)


def test_without_a_header_swapped_files_are_not_told_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(SweepFolder, "_fault_of_header", lambda *_: "")
    with pytest.raises(AssertionError):
        check_damage_is_found(tmp_path)
