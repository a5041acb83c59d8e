"""P8, P10: folders that others have made, properly sealed, and every command that reads them.

Whatever such a folder holds, a command ends with an exit code and one sentence: never a traceback,
never a control character on the terminal, never more memory than the folder's files account for.
"""

import contextlib
import copy
import io
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bpjax.cli import main
from bpjax.results.chunks import HELD, chunk_name, pack, seal_of
from bpjax.results.identity import fingerprint
from bpjax.results.sealed import sealed
from bpjax.results.store import SweepFolder

SWEEP = ["sweep", "xor", "--seeds", "40", "--max-epochs", "60", "--no-figures", "--out"]
RUN = ["train", "xor", "--seed", "7", "--max-epochs", "60", "--no-figures", "--out"]
NASTY: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2**31, 2**62, 2**63, 10**19, -0.5, 1e308, "", "x", "\x1b[31mred\x07",
    "\u202e", "\ud800", "<script>", "a" * 5000, [], {}, [[]], [None], {"a": {}}, [1, "x"],
)  # fmt: skip
MEMORY = 2**31
"""Address space over what a command takes for an honest folder."""


SHARES = {"verify": 1.0, "export": 0.25, "sweep": 0.05, "train": 0.02, "report": 0.015}
"""Of all forgeries, how many each command is tried on: every one is verified, which reads all that
there is, and a report or a training takes its time."""


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to every value below one from JSON, inner ones too."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in pairs:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from leaves(inner, (*path, key))


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return a copy with one value replaced."""
    whole = copy.deepcopy(value)
    holder = whole
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = new
    return whole


def bound(function: Callable[..., Any], *arguments: Any) -> Callable[[Path], Any]:
    """Return a function of a path alone."""
    return lambda path: function(path, *arguments)


def stamp(file: Path, content: Any) -> None:
    """Write sealed JSON, as a stranger would who knows how."""
    try:
        file.write_bytes(sealed(content))
    except (TypeError, ValueError):
        body = json.dumps({"": content}).encode() + b'"'
        file.write_bytes(body + seal_of(body) + b'"\n}\n')


def manifest(folder: Path, content: Any) -> None:
    """Write both copies of `sweep.json`, with the right fingerprint, and stamp the chunks anew."""
    with contextlib.suppress(TypeError, ValueError, KeyError):
        content = {**content, "fingerprint": fingerprint(content["identity"])}
    for name in ("sweep.json", "sweep-copy.json"):
        stamp(folder / name, content)


def raw_npz(members: list[tuple[str, bytes]], compressed: bool = False) -> bytes:
    """Return a sealed archive of any members."""
    buffer = io.BytesIO()
    kind = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", kind) as archive:
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, data in members:
            archive.writestr(name, data)
        archive.comment = b"0" * 64
    body = buffer.getvalue()[:-64]
    return body + seal_of(body)


def npy(descr: str, shape: Any, data: bytes = b"", order: bool = False) -> bytes:
    """Return an array file that says anything of itself."""
    text = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"
    header = text.encode() + b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def archives(header: bytes, columns: dict[str, np.ndarray]) -> Iterator[tuple[str, bytes]]:
    """Yield sealed chunk files that are no chunks."""
    honest: list[tuple[str, bytes]] = []
    for name, array in columns.items():
        file = io.BytesIO()
        np.save(file, array)
        honest.append((f"{name}.npy", file.getvalue()))
    head = ("__header__.npy", npy("'|u1'", (len(header),), header))
    yield "compressed", raw_npz([head, *honest], compressed=True)
    zeros = npy("'|i1'", (10**9,), bytes(10**8))
    yield "bomb", raw_npz([head, ("status.npy", zeros)], compressed=True)
    yield "twice", raw_npz([head, *honest, honest[0]])
    for shape in ((10**15,), (2**62, 4), (-1,), (0,), (), "(1,", "'x'", (2.5,), (True,)):
        yield f"shape {shape}", raw_npz([head, *honest[1:], (honest[0][0], npy("'<u4'", shape))])
    for descr in ("'|O'", "'<f16'", "'<U1000000000'", "'|V8'", "[('a', '<i4')]", "'<M8[s]'", "5",
                  "'|S0'", "'<U0'", "'>u4'", "'zz'", "[" * 500):  # fmt: skip
        yield f"type {descr[:20]}", raw_npz([head, (honest[0][0], npy(descr, (40,), bytes(160)))])
    for name in ("../x.npy", "\x1b[31m.npy", "no suffix", ".npy", "a" * 9000 + ".npy"):
        yield f"name {name[:9]!r}", raw_npz([head, *honest, (name, npy("'<u4'", (0,)))])
    for text in (b"", b"[]", b"NaN", b"[" * 9999, b'{"a":1,"a":2}', b"9" * 9999, b"\xff"):
        member = ("__header__.npy", npy("'|u1'", (len(text),), text))
        yield f"header {text[:9]!r}", raw_npz([member, *honest])
    yield "no header", raw_npz(honest)
    yield "nothing", raw_npz([])


def forged_chunks(folder: Path) -> Iterator[tuple[str, Callable[[Path], Any]]]:
    """Yield changes of the chunk of a sweep's folder."""
    opened = SweepFolder.open_for_reading(folder)
    (chunk,) = opened.chunks()
    columns = {HELD: np.array([40], np.uint8), **opened.read_chunk(chunk.path).columns}
    header = {"fingerprint": opened.fingerprint, "start": 0, "stop": 40}
    name = chunk.path.relative_to(folder)

    def write(data: bytes) -> Callable[[Path], Any]:
        return lambda place: (place / name).write_bytes(data)

    for key, column in columns.items():
        others = {k: v for k, v in columns.items() if k != key}
        yield f"no {key}", write(pack(header, others))
        for kind in ("f8", "i8", "U5", "?", "u1"):
            with np.errstate(all="ignore"):
                yield f"{key} as {kind}", write(pack(header, {**columns, key: column.astype(kind)}))
        for shape in ((-1, 1), (1, -1)):
            yield f"{key} {shape}", write(pack(header, {**columns, key: column.reshape(shape)}))
        yield f"short {key}", write(pack(header, {**columns, key: column[:-1]}))
        yield f"no rows of {key}", write(pack(header, {**columns, key: column[:0]}))
        if column.dtype.kind in "iu":
            for number in (np.iinfo(column.dtype).min, np.iinfo(column.dtype).max):
                full = np.full_like(column, number)
                yield f"{key} of {number}", write(pack(header, {**columns, key: full}))
    yield "another column", write(pack(header, {**columns, "\x1b[31m": columns["epochs"]}))
    for new in NASTY:
        for field in header:
            with contextlib.suppress(ValueError):
                yield f"{field} {new!r:.20}", write(pack({**header, field: new}, columns))
    for what, data in archives(json.dumps(header).encode(), columns):
        yield what, write(data)

    makers: dict[str, Callable[[Path], Any]] = {"a pipe": os.mkfifo, "a folder": Path.mkdir}
    for target in ("/dev/zero", "/dev/tty", "/proc/self/mem", "nowhere", str(chunk.path.name)):
        makers[f"a link to {target}"] = bound(Path.symlink_to, target)
    for what, make in makers.items():
        yield what, bound(lambda place, m: instead(place / name, m), make)
    yield "sparse", lambda place: os.truncate(place / name, 2**42)
    wide = chunk_name(0, 10**14)
    yield "a wide name", lambda place: (place / name).rename(place / "chunks" / wide)
    for when in (-1, 2**33, 2**36, 2**40):
        yield f"time {when}", bound(lambda place, t: os.utime(place / name, (t, t)), when)


def forged_json(folder: Path, name: str) -> Iterator[tuple[str, Callable[[Path], Any]]]:
    """Yield changes of a JSON file of a folder: every value in it another one."""
    honest = json.loads((folder / name).read_text())
    honest.pop("seal")
    write = manifest if name == "sweep.json" else lambda place, new: stamp(place / name, new)
    for path in leaves(honest):
        for new in NASTY:
            yield (
                f"{'.'.join(map(str, path))} {new!r:.20}",
                bound(lambda place, p, n: write(place, changed(honest, p, n)), path, new),
            )
    texts = (b"", b"null", b"[" * 10**5, b'{"a":1,"a":2,', b'{"a":NaN,', b'{"a":1e999,',
             b'{"a":' + b"9" * 10**5 + b",", b"{" + b'"a":[' * 500, b"[" + b"{}," * 3_000_000,
             b'{"a":"\x1b",', b"\xff\xfe")  # fmt: skip
    names = ("sweep.json", "sweep-copy.json") if name == "sweep.json" else (name,)
    for text in texts:
        body = text + b'"seal":"'
        data = body + seal_of(body) + b'"\n}\n'
        yield (
            f"text {text[:12]!r}",
            bound(lambda place, d: [(place / n).write_bytes(d) for n in names], data),
        )
    makers: dict[str, Callable[[Path], Any]] = {
        "a pipe": os.mkfifo,
        "a folder": Path.mkdir,
        "a link": lambda path: path.symlink_to("/dev/zero"),
    }
    for what, make in makers.items():
        yield what, bound(lambda place, m: instead(place / name, m), make)
    yield "sparse", lambda place: os.truncate(place / name, 2**42)


def instead(path: Path, make: Callable[[Path], Any]) -> None:
    """Put something else in the place of a file."""
    path.unlink()
    make(path)


def try_command(words: list[str]) -> tuple[str, str]:
    """Run a command in this process; return what is wrong with how it ended, and what it said."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8", newline=""), io.StringIO()
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            warnings.simplefilter("always")
            code = main(words)
    except BaseException as fault:
        return f"{type(fault).__name__}: {fault!s:.200}", err.getvalue()
    out.flush()
    shown = out.buffer.getvalue().decode(errors="replace") + err.getvalue()  # type: ignore[attr-defined]
    odd = {c for c in shown if not c.isprintable() and c not in "\n\r\t\xa0"}
    if odd and words[0] != "report":
        return f"shows {odd!r:.50}", err.getvalue()
    if code not in (0, 1, 2) or (code == 2 and err.getvalue().count("\n") > 3):
        return f"exit code {code}", err.getvalue()
    return "", err.getvalue()


def commands(folder: Path, is_run: bool) -> list[list[str]]:
    """Return every command that reads a folder."""
    place = str(folder)
    if is_run:
        return [["verify", place], ["report", place, "--out", "-"], [*RUN, place]]
    return [
        ["verify", place],
        ["export", place, "--out", "-", "--partial"],
        ["report", place, "--out", "-"],
        [*SWEEP, place],
    ]


def heavy(home: Path, sweep: Path) -> list[tuple[str, Path]]:
    """Return folders that ask for memory."""
    wanted = ("bomb", "sparse", "a link to /dev/zero", "shape (1000000000000000,)", "a wide name",
              "type '<U1000000000'", "a pipe", "text b'[{},{},{},{},'")  # fmt: skip
    both = [*forged_chunks(sweep), *forged_json(sweep, "sweep.json")]
    found: list[tuple[str, Path]] = []
    for what, change in both:
        if what in wanted:
            place = home / f"heavy {len(found)}"
            shutil.copytree(sweep, place)
            change(place)
            found.append((what, place))
    return found


def peak_of(place: Path) -> tuple[int, int]:
    """Run `bpjax verify` on a folder under a limit; return its exit code and peak, in megabytes."""
    program = (
        "import re, resource, sys; from bpjax.cli import main\n"
        f"resource.setrlimit(resource.RLIMIT_DATA, ({MEMORY}, {MEMORY}))\n"
        "code = main(['verify', sys.argv[1]])\n"
        "told = re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())\n"
        "print(code, int(told[1]) // 1024)"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", program, str(place)], capture_output=True, text=True, timeout=120
        )
        code, peak = map(int, done.stdout.split("\n")[-2].split())
    except (subprocess.TimeoutExpired, ValueError, IndexError):
        return -1, -1
    return code, peak


def measure(full: bool) -> dict[str, Any]:
    """Try commands on all forgeries, or on a sample of them, and count what went wrong."""
    dice = random.Random(1986)
    tried = 0
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        for words in ([*SWEEP, str(home / "rows")], [*RUN, str(home / "run")]):
            try_command(words)
        try_command([*SWEEP, str(home / "counts"), "--summary-only"])
        forgeries = [
            (kind, what, change)
            for kind in ("rows", "counts")
            for what, change in (
                *forged_chunks(home / kind),
                *forged_json(home / kind, "sweep.json"),
                *forged_json(home / kind, "summary.json"),
            )
        ]
        forgeries += [("run", *forgery) for forgery in forged_json(home / "run", "run.json")]
        if not full:
            forgeries = dice.sample(forgeries, 60)
        for kind, what, change in forgeries:
            for words in commands(home / "work", kind == "run"):
                if dice.random() >= (SHARES[words[0]] if full else 0.7):
                    continue
                shutil.rmtree(home / "work", ignore_errors=True)
                shutil.copytree(home / kind, home / "work")
                change(home / "work")
                wrong, _ = try_command(words)
                tried += 1
                if wrong:
                    failures.append(f"{kind}, {what}, {words[0]}: {wrong}")
        peaks = {what: peak_of(place) for what, place in heavy(home, home / "rows")}
        failures += [f"{what}: {code}" for what, (code, _) in peaks.items() if code not in (1, 2)]
    most = max(peak for _, peak in peaks.values())
    return {
        "tried": tried + len(peaks),
        "failed": len(failures),
        "failures": failures[:30],
        "peak_megabytes": {what: peak for what, (_, peak) in peaks.items()},
        "words": (
            f"{tried:,} commands on {len(forgeries):,} forged and properly sealed folders: "
            f"{len(failures)} tracebacks, hangs or control characters; on {len(peaks)} folders "
            f"made to take memory at most {most} MB."
        ),
    }
