"""P11: sizes from small to absurd, under limits of memory: trained, or refused in one sentence."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

GIGABYTE = 10**9
LIMITS = (None, GIGABYTE)
"""Of the address space; None: what the machine has."""
LADDERS = {
    "sweep xor --seeds 200 --max-epochs 2 --no-figures --hidden {}": (2, 4, 5, 7, 9, 12),
    "sweep encoder --seeds 200 --max-epochs 2 --no-figures --set size=64 --hidden {}": (2, 5, 6, 8),
    "train xor --max-epochs 2 --no-figures --hidden {}": (2, 5, 7, 9, 12),
    "explain parity --max-epochs 2 --hidden {}": (2, 5, 7, 12),
    "sweep xor --no-figures --max-epochs 2 --seeds {}": (2, 6, 9, 12, 30),
    "sweep xor --seeds 200 --no-figures --summary-only --max-epochs {}": (2, 6, 8, 12),
    "train xor --no-figures --snapshot-every 1 --max-epochs {}": (2, 9, 12),
}
"""Commands with a power of ten to fill in."""
MOST_SECONDS = 120.0


class Tried(NamedTuple):
    """What a command did: its limit, exit code, seconds, largest memory, and what it said."""

    words: str
    limit: int | None
    code: int
    seconds: float
    peak: int
    said: str

    @property
    def ok(self) -> bool:
        """Whether it trained, or refused in one sentence that names an option or the limit."""
        refused = self.code == 2 and self.said.count("\n") == 1 and self.said[:7] == "bpjax: "
        return (self.code == 0 or refused) and "Traceback" not in self.said


def commands(full: bool) -> Iterator[tuple[str, int | None]]:
    """Yield commands, and the limits under which they are tried."""
    for limit in LIMITS:
        for words, powers in LADDERS.items():
            for power in powers if full else (9,):
                yield words.format(10**power), limit


def measure(full: bool) -> dict[str, Any]:
    """Climb every ladder under every limit."""
    tried = [attempt(*command) for command in commands(full)]
    refused = [one for one in tried if one.code == 2]
    bad = [one for one in tried if not one.ok]
    slowest = max((one.seconds for one in refused), default=0.0)
    largest = max((one.peak for one in refused), default=0)
    return {
        "tried": len(tried),
        "failed": len(bad),
        "words": f"{len(tried)} commands, with up to 10^12 hidden units and 10^30 seeds, within 1 "
        f"GB of address space or all of the machine: {sum(o.code == 0 for o in tried)} "
        f"trained, {len(refused)} were refused in one sentence (the slowest after {slowest:.1f} s, "
        f"with {largest / 1e6:.0f} MB in use at most), {len(bad)} ended otherwise.",
        "slowest_refusal_seconds": round(slowest, 1),
        "largest_refusal_bytes": largest,
        "bad": [f"{o.words} within {o.limit}: code {o.code}, {o.said[-300:]!r}" for o in bad[:30]],
    }


def attempt(words: str, limit: int | None) -> Tried:
    """Run one command in a process of its own, in a folder of its own."""
    limited = f"ulimit -v {limit // 1024}; " if limit else ""
    shell = ["sh", "-c", f'{limited}exec "$@"', "sh", sys.executable, "-m", "bpjax.cli"]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as said:
        began = time.monotonic()
        process = subprocess.Popen(
            [*shell, *words.split(), "--out", f"{folder}/new"],
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            if time.monotonic() - began > MOST_SECONDS:
                process.kill()
            time.sleep(0.02)
        seconds = time.monotonic() - began
        code = os.waitstatus_to_exitcode(ended[1])
        said.seek(0)
        # What a log is told of the progress comes before.
        lines = [line for line in said if " runs |" not in line and not line.startswith("epoch ")]
    return Tried(words, limit, code, seconds, ended[2].ru_maxrss * 1024, "".join(lines))
