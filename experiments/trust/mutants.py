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
    with tempfile.TemporaryDirectory() as folder:
        copy = _copy(suite.ROOT, Path(folder) / "unchanged")
        # A program that a mutant leaves as it is need not be compiled again: XLA keeps it by its
        # text, and Python keeps a module by its time.
        kept = {
            "JAX_COMPILATION_CACHE_DIR": f"{folder}/programs",
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "PYTHONDONTWRITEBYTECODE": "",
            **({"XLA_FLAGS": xla_flags} if xla_flags else {}),
        }
        healthy = [_fate("unchanged", copy, tests, kept) for tests in groups]
        fates = [fate(mutant, copy, tests, kept) for tests, mutant in tries]
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


def fate(mutant: Mutant, healthy: Path, tests: Tests, env: Mapping[str, str]) -> str:
    """Return the first test that noticed; nothing if the mutant lives.

    Args:
      mutant: what to break.
      healthy: in a copy of this folder.
      tests: what to run there.
      env: of these tests.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = _copy(healthy, Path(folder) / "mutant")
        path = copy / "bpjax" / f"{mutant.module}.py"
        source = path.read_text()
        if source.count(mutant.old) != 1:
            print(f"  {mutant.module}: {mutant.old!r} is there {source.count(mutant.old)} times")
            return ""
        path.write_text(source.replace(mutant.old, mutant.new))
        return _fate(mutant.module, copy, (*tests, "-x"), env)


def _fate(name: str, copy: Path, tests: Tests, env: Mapping[str, str]) -> str:
    verdict = suite.judged(*tests, at=copy, seconds=LONGEST, env=env)
    found = verdict.failed[0] if verdict.failed else ""
    print(f"  {name}: {found or 'no test fails'}", flush=True)
    return found


def _copy(source: Path, target: Path) -> Path:
    """Copy what tests need of a repository, with the times of the files."""
    for part in ("bpjax", "tests", "experiments"):
        ignore = shutil.ignore_patterns("results") if part == "experiments" else None
        shutil.copytree(source / part, target / part, ignore=ignore)
    shutil.copy2(source / "pyproject.toml", target)
    return target
