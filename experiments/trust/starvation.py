"""P4 and P13: no disk, no rights, no home, no descriptors, another writer; then the same bytes.

Every attack takes something away from `bpjax sweep` and looks at how it ends: with exit code 0, or
with another code and one sentence. Then it is given back, and the same command must end with the
table of an undisturbed sweep. What needs a privilege that is missing here is named, not counted.
"""

import contextlib
import functools
import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from experiments.trust import suite
from experiments.trust.suite import Ended, bpjax, bpjax_here

SWEEP = ("sweep", "xor", "--seeds", "2000", "--max-epochs", "300", "--no-figures", "--out")
LOST_WORDS = 74
"""The exit code where all is done and stored, and standard output did not take the words."""
Faults = list[str]
Attack = Callable[[Path], Faults]


class Missing(Exception):
    """A privilege that an attack needs."""


def measure(full: bool) -> dict[str, Any]:
    """Make every attack, each in a folder of its own."""
    failed, missing, tried = {}, [], 0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        whole = folder / "whole"
        assert bpjax(*SWEEP, whole).code == 0
        expected = _table(whole)
        for name, attack in attacks(full):
            here = folder / name.replace(" ", "-").replace("/", "-")
            here.mkdir()
            try:
                faults = attack(here)
            except Missing as need:
                missing.append(f"{name} ({need})")
                continue
            tried += 1
            faults += _resumes(here / "sweep", expected)
            if faults:
                failed[name] = faults
            print(f"  {name}: {'; '.join(faults) or 'held'}", flush=True)
    skipped = f" Not tried for want of rights: {', '.join(missing)}." if missing else ""
    return {
        "tried": tried,
        "failed": len(failed),
        "words": f"{tried} ways to starve a sweep (a full disk, a read-only or vanished folder, no "
        "home, a damaged cache, few descriptors, closed or full outputs, a second "
        f"writer): {tried - len(failed)} ended as they should, and resumed to the same bytes."
        + skipped,
        "off": failed,
    }


def _table(path: Path) -> bytes:
    out = path.parent / f"{path.name}.csv"
    ended = bpjax_here("export", path, "--out", out)
    return out.read_bytes() if ended.code == 0 else ended.err.encode()


def _resumes(path: Path, expected: bytes) -> Faults:
    ended = bpjax_here(*SWEEP, path)
    faults = [] if ended.code == 0 else [f"the resume ended with {ended.code}: {ended.err[-200:]}"]
    return faults if faults or _table(path) == expected else ["the resume gave other bytes"]


def _clearly(ended: Ended, *codes: int, says: str = "") -> Faults:
    """Return what is wrong with how a command ended: code, traceback, more than a sentence."""
    faults = [] if ended.code in codes else [f"code {ended.code}: {ended.err[-200:]!r}"]
    if ended.traceback:
        faults.append(f"traceback: {(ended.out + ended.err)[-200:]!r}")
    if ended.code and says not in ended.err:
        faults.append(f"no word of {says!r}: {ended.err[-200:]!r}")
    told = [line for line in ended.sentences() if line.startswith("bpjax")]
    if ended.code and len([line for line in told if "cache" not in line]) > 1:  # these are notes
        faults.append(f"several sentences: {ended.err[-500:]!r}")
    return faults


# ---- the attacks ---------------------------------------------------------------------------------


def attacks(full: bool) -> Iterator[tuple[str, Attack]]:
    """Yield every attack by name."""
    for pages in range(1, 24, 2) if full else (3,):
        yield f"a disk of {4 * pages} KiB", functools.partial(_full_disk, kibibytes=4 * pages)
    for size in (0, 100, 600, 5000, 20_000) if full else (600,):
        yield (
            f"files of at most {size} bytes",
            functools.partial(_limited, kind=resource.RLIMIT_FSIZE, most=size),
        )
    for number in (8, 12, 16, 24, 32, 48) if full else (16,):
        yield (
            f"{number} descriptors",
            functools.partial(_limited, kind=resource.RLIMIT_NOFILE, most=number),
        )
    yield (  # another process tries them
        "8 descriptors and flags of XLA",
        functools.partial(
            _limited,
            kind=resource.RLIMIT_NOFILE,
            most=8,
            xla_flags="--xla_cpu_multi_thread_eigen=true",
        ),
    )
    yield "a read-only folder", _read_only
    yield "a folder that vanishes", _vanishes
    yield "a second writer", _second_writer
    yield "a home that cannot be written", _no_home
    yield "no temporary folder", _no_temporary
    yield "a damaged cache of programs", _damaged_cache
    for number in (0, 1, 2):
        yield f"descriptor {number} closed", functools.partial(_closed, numbers=(number,))
    yield "all descriptors closed", functools.partial(_closed, numbers=(0, 1, 2))
    for number in (1, 2):
        yield f"descriptor {number} on a full device", functools.partial(_on_full, number=number)


def _limited(here: Path, kind: int, most: int, xla_flags: str = suite.UNSET) -> Faults:
    def limit() -> None:
        resource.setrlimit(kind, (most, resource.getrlimit(kind)[1]))

    changed = {"XDG_CACHE_HOME": str(here / "cache"), "XLA_FLAGS": xla_flags}
    return _clearly(bpjax(*SWEEP, here / "sweep", preexec_fn=limit, env=changed), 0, 1, 2)


@contextlib.contextmanager
def _mounted(at: Path, *words: str | Path) -> Iterator[None]:
    at.mkdir(exist_ok=True)
    done = subprocess.run(["mount", *words, at], capture_output=True)
    if done.returncode:
        raise Missing("mount")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", at], check=True)


def _full_disk(here: Path, kibibytes: int) -> Faults:
    small = here / "small"
    with _mounted(small, "-t", "tmpfs", "-o", f"size={kibibytes}k", "none"):
        faults = _clearly(bpjax(*SWEEP, small / "sweep"), 0, 1, 2, says="No space left")
        if (small / "sweep").exists():
            shutil.copytree(small / "sweep", here / "sweep")
    return faults


def _read_only(here: Path) -> Faults:
    sweep = here / "sweep"
    sweep.mkdir()
    with _mounted(sweep, "--bind", sweep), contextlib.suppress(subprocess.CalledProcessError):
        subprocess.run(["mount", "-o", "remount,ro,bind", sweep], check=True, capture_output=True)
        began = time.perf_counter()
        ended = bpjax(*SWEEP[:3], "50000000", *SWEEP[4:], sweep, seconds=60)
        late = ["noticed late"] if time.perf_counter() - began > 30 else []
        return _clearly(ended, 1, 2, says="Read-only") + late
    raise Missing("remount")


def _vanishes(here: Path) -> Faults:
    words = (*SWEEP[:3], "100000000", *SWEEP[4:], here / "sweep")
    running = _in_background(here, *words)
    _await(lambda: (here / "sweep").exists())
    time.sleep(3)
    shutil.rmtree(here / "sweep", ignore_errors=True)
    return _clearly(_end_of(running), 1, 2, says="No such file")


def _second_writer(here: Path) -> Faults:
    words = (*SWEEP[:3], "100000000", *SWEEP[4:], here / "first")
    running = _in_background(here, *words)
    _await(lambda: (here / "first").exists())
    time.sleep(2)
    faults = _clearly(bpjax(*words), 1, 2)
    faults += [] if running.poll() is None else ["the first writer ended"]
    running.terminate()
    return faults + _clearly(_end_of(running), 130, 143)


def _no_home(here: Path) -> Faults:
    (here / "file").touch()
    lost = {"HOME": str(here / "file"), "XDG_CACHE_HOME": suite.UNSET, "MPLCONFIGDIR": suite.UNSET}
    return _clearly(bpjax(*SWEEP, here / "sweep", env=lost), 0)


def _no_temporary(here: Path) -> Faults:
    names = ("TMPDIR", "TEMP", "TMP")
    lost = dict.fromkeys(names, str(here / "nowhere"))
    return _clearly(bpjax(*SWEEP, here / "sweep", env=lost), 0)


def _damaged_cache(here: Path) -> Faults:
    kept = {"XDG_CACHE_HOME": str(here / "cache")}
    faults = _clearly(bpjax(*SWEEP, here / "first", env=kept), 0)
    programs = [path for path in (here / "cache").rglob("*") if path.is_file()]
    for place, path in enumerate(programs):
        text = bytearray(path.read_bytes())
        text[len(text) // 2 :] = b"" if place % 2 else os.urandom(len(text) - len(text) // 2)
        path.write_bytes(text)
    faults += [] if programs else ["nothing was kept in the cache"]
    return faults + _clearly(bpjax(*SWEEP, here / "sweep", env=kept), 0)


def _closed(here: Path, numbers: tuple[int, ...]) -> Faults:
    def close() -> None:
        for number in numbers:
            with contextlib.suppress(OSError):
                os.close(number)

    return _clearly(bpjax(*SWEEP, here / "sweep", preexec_fn=close), 0, LOST_WORDS)


def _on_full(here: Path, number: int) -> Faults:
    if not Path("/dev/full").exists():
        raise Missing("/dev/full")
    with open("/dev/full", "w") as full:
        how: dict[str, Any] = {"stdout" if number == 1 else "stderr": full}
        return _clearly(bpjax(*SWEEP, here / "sweep", **how), 0, LOST_WORDS)


# ---- a command beside ----------------------------------------------------------------------------


def _in_background(here: Path, *words: str | Path) -> "subprocess.Popen[str]":
    environment = os.environ | {"PYTHONPATH": str(suite.ROOT)}
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(suite.command_line(*words), env=environment, **streams)


def _end_of(running: "subprocess.Popen[str]", seconds: float = 120) -> Ended:
    try:
        out, err = running.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        running.kill()
        out, err = running.communicate()
        err += "did not end"
    return Ended(running.returncode, out, err)


def _await(happened: Callable[[], bool], seconds: float = 60) -> None:
    end = time.perf_counter() + seconds
    while not happened() and time.perf_counter() < end:
        time.sleep(0.05)
