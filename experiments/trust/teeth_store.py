"""P16 for the store: take one precaution out, in many ways, and see a test of the suite fail."""

from typing import Any

from experiments.trust.mutants import Mutant, Tests, bitten

FAULTS = (
    "tests/test_faults.py",
    "-k",
    "whatever or recipe or found_named or read_only or full_disk or larger",
)
STORE = ("tests/test_store.py",)
WRITER = "tests/test_writer.py", "-k", "kept_out or slept or no_file or no_file_locks"
RUNS = ("tests/test_run_folder.py",)

MUTANTS: dict[Tests, list[Mutant]] = {
    FAULTS: [
        Mutant("results/files", "temporary = _temporary_in(path.parent)\n    with pub",
               "temporary = path\n    with pub"),
        Mutant("results/files", "            replace(temporary, path)\n", ""),
        Mutant("results/files", "if read(temporary) != data:", "if False:"),
        Mutant("results/files", "                write(file, data)\n                sync(file)\n",
               "                write(file, data)\n"),
        Mutant("results/files",
               "                sync(file)\n            if read(temporary) != data:",
               "                replace(temporary, path)\n            if read(path) != data:"),
        Mutant("results/files", "            raise\n        sync_folder(path.parent)",
               "            raise"),
        Mutant("results/files", "        make(folder)\n        sync_folder(folder.parent)",
               "        make(folder)"),
        Mutant("results/files", "with suppress(OSError):\n                remove(temporary)",
               "pass"),
        Mutant("results/folder", "files.remove_temporaries(path / \"chunks\")", "pass"),
        Mutant("results/folder", "files.probe(path / \"chunks\")", "pass"),
        Mutant("results/folder", "folder.mend_manifest()  # first, as", "pass  #"),
        Mutant("results/chunks", "if data[-_SEAL_LENGTH:] != seal_of(", "if False and ("),
        Mutant("results/folder", "if header == self._header(chunk.start, chunk.stop):", "if True:"),
    ],
    STORE: [
        Mutant("results/manifest", 'NAMES = ("sweep.json", "sweep-copy.json")',
               'NAMES = ("sweep.json", "sweep.json")'),
        Mutant("results/sealed", "if data != body + seal_of(body) + _END:", "if False:"),
        Mutant("results/manifest", "if len(carried) == 1:", "if carried:"),
        Mutant("results/manifest", "carried = [(path, manifest) for path, manifest in found if",
               "carried = [(path, manifest) for path, manifest in found[:1] if 1 or"),
        Mutant("results/folder", "if not new._checked()._has_a_chunk():", "if False:"),
        Mutant("results/folder", 'if summary.pop("fingerprint", None) != self.fingerprint:',
               'if summary.pop("fingerprint", None) is None and 0:'),
        Mutant("results/folder", "        kept, repeated = without_repetition(intact)",
               "        kept, repeated = intact, []"),
        Mutant("results/columns", "if set(columns) != expected.names:", "if False:"),
        Mutant("results/columns", "if column.dtype == rule.dtype and np.all(", "if np.all("),
        Mutant("results/columns", "if columns[name].dtype != expected.floats:", "if False:"),
        Mutant("results/columns", "not np.array_equal(column, values[cell])", "False"),
    ],
    WRITER: [
        Mutant("results/writer", "lock is not None and _is_kept_from_others(folder)",
               "lock is not None"),
        Mutant("results/writer", "if seen not in (None, old):", "if False:"),
        Mutant("results/writer", "self._beats += 1", "self._beats += 0"),
        Mutant("results/writer", 'not in ("?", told.get("began"))', '== ""  and 0'),
        Mutant("results/writer", "if time.monotonic() - since < PATIENCE:",
               "if time.monotonic() - since < 9 * PATIENCE:"),
        Mutant("results/writer", "            self._move_away(old)", "            return None"),
        Mutant("results/writer", "return (there.st_dev, there.st_ino) == (", "return True or ("),
    ],
    RUNS: [
        Mutant("run_folder", "if _digest(data) not in record", "if False and record"),
        Mutant("run_folder", "{name: [*old[\"files\"][name], *digests[name]] for name in digests}",
               "digests"),
        Mutant("run_folder", "        probe(path)\n", ""),
    ],
}  # fmt: skip


def measure(full: bool) -> dict[str, Any]:
    """See every precaution missed."""
    return bitten(MUTANTS, MUTANTS if full else (STORE,), "precautions of the store taken out")
