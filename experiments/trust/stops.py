"""P13 and P18: SIGINT and SIGTERM at every moment of every command, once and twice."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from bpjax.errors import ResultsError
from bpjax.results.store import verify

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
SECONDS = 5.0
"""In which a command must have ended, and of whose beginning every moment is tried."""
SWEEP = "sweep xor --seeds 100000000 --out {new}"
OTHERS = (
    "sweep xor --seeds 2000 --out {new}",
    "train family-trees --out {new}",
    "explain family-trees --out {new}/page.html",
    "report {sweep} {run} --out {new}.html",
    "export {sweep} --out {new}.csv",
    "verify {sweep}",
    "check",
    "bench --quick",
    "tasks",
)
LARGE = (
    "sweep encoder --set size=64 --hidden 3000 --out {new}",
    "train encoder --set size=64 --hidden 20000 --out {new}",
    "sweep parity --set bits=12 --hidden 4000 --out {new}",
)
"""Of these one epoch takes seconds, and compiling some."""
MADE = ("sweep xor --seeds 20000 --no-figures --out {sweep}", "train xor --out {run}")


class Attack(NamedTuple):
    """A signal, sent so many seconds after a command was started, once or twice."""

    words: str
    number: signal.Signals
    after: float
    times: int = 1


class Seen(NamedTuple):
    """What came of it: the attack, and what was wrong, nothing if it is empty.

    `when` is "before our first line" where Python itself was still starting, "after the end" where
    the command was faster, and "in time" for all others: only these are judged.
    """

    attack: Attack
    when: str
    seconds: float
    wrong: tuple[str, ...]
    shown: str


def attacks(full: bool) -> Iterator[Attack]:
    """Yield all attacks: SIGINT every 50 ms of a sweep, each second of others; SIGTERM less."""
    often = {signal.SIGINT: (0.05, 1.0), signal.SIGTERM: (0.25, 2.5)}
    for number in CODES:
        fine, coarse = often[number] if full else (1.0, 2.5)
        for k in range(1, round(SECONDS / fine) + 1):
            yield Attack(SWEEP, number, k * fine)
        for words in OTHERS:
            for k in range(1, round(SECONDS / coarse) + 1):
                yield Attack(words, number, k * coarse)
        for after in (0.3, 1.0, 3.0, 8.0) if full else (1.0, 8.0):
            yield Attack(SWEEP, number, after, times=2)
    for words in LARGE if full else LARGE[:1]:
        for after in (3.0, 8.0, 15.0, 30.0) if full else (15.0,):
            yield Attack(words, signal.SIGINT, after)


def measure(full: bool) -> dict[str, Any]:
    """Try all attacks, as many at once as there are cores."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # else commands inherit that
    with tempfile.TemporaryDirectory() as folder:
        places = {"sweep": f"{folder}/sweep", "run": f"{folder}/run"}
        for words in MADE:
            subprocess.run(command(words, places), check=True, stdout=subprocess.DEVNULL)
        numbered = list(enumerate(attacks(full)))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            seen = list(pool.map(lambda k: attempt(k[1], places, f"{folder}/{k[0]}"), numbered))
    return record(seen)


def record(seen: Sequence[Seen]) -> dict[str, Any]:
    """Return the figures of all attempts."""
    judged = [one for one in seen if one.when == "in time"]
    wrong = Counter(fault for one in judged for fault in one.wrong)
    slowest = max((one.seconds for one in judged), default=0.0)
    bad = [one for one in judged if one.wrong]
    early = sum(one.when == "before our first line" for one in seen)
    return {
        "tried": len(judged),
        "failed": len(bad),
        "words": f"{len(judged)} times SIGINT or SIGTERM struck a command, in imports, compiling, "
        f"training, drawing and writing, large nets and second signals among them: "
        f"{wrong['swallowed']} swallowed, {wrong['traceback']} tracebacks, "
        f"{wrong['wrong code']} wrong codes, {wrong['slow']} took over {SECONDS:g} s (the slowest "
        f"{slowest:.1f} s), {wrong['lost']} lost a run that had been shown as done. {early} more "
        "came while Python itself was starting, which is not ours to handle.",
        "wrong": dict(wrong),
        "slowest_seconds": round(slowest, 2),
        "before_our_first_line": early,
        "after_the_end": sum(one.when == "after the end" for one in seen),
        "bad": [
            f"{one.attack}: {', '.join(one.wrong)} ({one.seconds:.1f} s): {one.shown[-2000:]}"
            for one in bad[:50]
        ],
    }


def command(words: str, places: dict[str, str]) -> list[str]:
    """Return a command with its folders filled in."""
    return [sys.executable, "-m", "bpjax.cli", *words.format(**places).split()]


def attempt(attack: Attack, places: dict[str, str], new: str) -> Seen:
    """Start a command on a terminal of its own, send the signal, and judge how it ends."""
    ours, theirs = os.openpty()  # on a terminal every step of the progress is shown
    process = subprocess.Popen(
        command(attack.words, places | {"new": new}), stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown: list[bytes] = []
    reader = threading.Thread(target=_read, args=(ours, shown))
    reader.start()
    time.sleep(attack.after)
    when = _when(process)
    workers = _children(process.pid)
    began = time.monotonic()
    for _ in range(attack.times):
        process.send_signal(attack.number)
        time.sleep(0.05 * (attack.times > 1))
    try:
        code = process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    seconds = time.monotonic() - began
    reader.join()
    os.close(ours)
    text = b"".join(shown).decode(errors="replace")
    wrong = tuple(_faults(attack, code, seconds, text, new, workers))
    return Seen(attack, when, seconds, wrong, text)


def _faults(
    attack: Attack, code: int, seconds: float, text: str, new: str, workers: list[int]
) -> Iterator[str]:
    if code == 0 and seconds > 1:
        yield "swallowed"
    elif code not in (0, CODES[attack.number]):  # 0 where all was done but the leaving
        yield "wrong code"
    if "Traceback" in text or "Fatal" in text:
        yield "traceback"
    if seconds > SECONDS:
        yield "slow"
    done = re.findall(r"([\d,]+) of [\d,]+ runs \|", text)
    if done and attack.times == 1 and _stored(new) < int(done[-1].replace(",", "")):
        yield "lost"
    if any(Path(f"/proc/{worker}").exists() for worker in workers):
        yield "left a worker behind"


def _stored(folder: str) -> int:
    try:
        return verify(folder).num_runs
    except ResultsError:
        return 0


def _when(process: subprocess.Popen[bytes]) -> str:
    """Return whether Python is starting, the command runs, or has ended."""
    if process.poll() is not None:
        return "after the end"
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        return "in time"
    caught = re.search(r"SigCgt:\s*(\w+)", status.read_text())
    handled = caught and int(caught[1], 16) >> (signal.SIGTERM - 1) & 1
    return "in time" if handled else "before our first line"


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _read(terminal: int, shown: list[bytes]) -> None:
    with suppress(OSError):  # how a terminal says that nobody writes to it any more
        while part := os.read(terminal, 65536):
            shown.append(part)
