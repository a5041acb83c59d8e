"""P16, shared: break the source in one place, and see whether the tests that must notice fail."""

import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from experiments.trust import suite

LONGEST = 100.0
"""Seconds for the tests of one mutant: some make a loop that never ends, which is noticed too."""


Tests = tuple[str, ...]
"""Words for pytest."""


class Mutant(NamedTuple):
    """Text of a module, what stands there instead, and the tests that must notice."""

    module: str
    old: str
    new: str


def bitten(
    mutants: Mapping[Tests, Sequence[Mutant]],
    groups: Iterable[Tests],
    what: str,
    xla_flags: str = "",
) -> dict[str, Any]:
    """See the tests of the groups pass on an unchanged copy, then fail on every mutant.

    Returns:
      A proof's record, without where and when; `what` says what the mutants are, and `xla_flags`
      how their programs are compiled.
    """
    groups = list(groups)
    tries = [(tests, mutant) for tests in groups for mutant in mutants[tests]]
    # A program that a mutant leaves as it is need not be compiled again: XLA keeps it by its text.
    with tempfile.TemporaryDirectory() as programs:
        healthy = [fate(tests, None, programs, xla_flags) for tests in groups]
        fates = [fate(tests, mutant, programs, xla_flags) for tests, mutant in tries]
    sick = [f"unchanged: {noticed}" for noticed in healthy if noticed]
    killed_by = {
        f"{m.module}: {m.old}": noticed for (_, m), noticed in zip(tries, fates, strict=True)
    }
    lived = [mutant for mutant, noticed in killed_by.items() if not noticed]
    return {
        "tried": len(tries) + len(groups),
        "failed": len(lived) + len(sick),
        "words": f"{len(tries)} {what}, one place each: {len(tries) - len(lived)} die by a quick "
        f"test of the suite, {len(lived)} live.",
        "off": sick + lived,
        "killed by": killed_by,
    }


def fate(tests: Tests, mutant: Mutant | None, programs: str, xla_flags: str) -> str:
    """Return the first test that noticed; nothing if the mutant lives.

    Args:
      tests: what to run, on a copy of this repository.
      mutant: what to break in it first.
      programs: a folder for compiled programs.
      xla_flags: how they are compiled.
    """
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place)
        for part in ("bpjax", "tests", "experiments"):
            left_out = ("__pycache__", *(("results",) if part == "experiments" else ()))
            ignore = shutil.ignore_patterns(*left_out)
            shutil.copytree(suite.ROOT / part, copy / part, ignore=ignore)
        shutil.copy(suite.ROOT / "pyproject.toml", copy)
        if mutant is not None:
            path = copy / "bpjax" / f"{mutant.module}.py"
            source = path.read_text()
            if source.count(mutant.old) != 1:
                print(
                    f"  {mutant.module}: {mutant.old!r} is there {source.count(mutant.old)} times"
                )
                return ""
            path.write_text(source.replace(mutant.old, mutant.new))
        kept = {
            "JAX_COMPILATION_CACHE_DIR": programs,
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            **({"XLA_FLAGS": xla_flags} if xla_flags else {}),
        }
        words = [*tests, *(["-x"] if mutant else [])]
        verdict = suite.judged(*words, at=copy, seconds=LONGEST, env=kept)
    fate = verdict.failed[0] if verdict.failed else ""
    print(f"  {mutant.module if mutant else 'unchanged'}: {fate or 'no test fails'}", flush=True)
    return fate
