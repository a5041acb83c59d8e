"""The results folder: identities, refusals, chunks, and reading whole sweeps back."""

import copy
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from bpjax.errors import ResultsError
from bpjax.results import chunks, files
from bpjax.results.chunks import ranges_at_places
from bpjax.results.extent import at_every_point
from bpjax.results.identity import as_stored, differences, digest
from bpjax.results.sealed import sealed
from bpjax.results.store import (
    DamagedChunk,
    SweepFolder,
    as_ranges,
    fingerprint,
    held_by,
    read_runs,
    verify,
)

ROOT = Path(chunks.__file__).parents[2]

IDENTITY = {
    "task": {
        "name": "xor",
        "options": {"hidden": 2},
        "network": {"layers": [{"name": "in", "size": 2}, {"size": 1}]},
        "held_out": 0,
        "criterion": "tolerance 0.5",
        "recipe": {"max_epochs": 1000, "init_range": 0.3, "initializer": "", "momentum": 0.9},
    },
    "grid": {"learning_rate": [0.1, 0.3]},
    "columns": ["learning_rate"],
    "seeds": [[100, 110]],
    "precision": "float32",
    "implementation": "matrix",
    "block_size": 512,
    "rows": "runs",
    "weight_names": ["a", "b"],
    "xla_flags": "",
    **dict.fromkeys(("bpjax", "jax", "jaxlib", "optax"), "0.1"),
    "device_kind": "cpu",
    "runs": None,
    "shard": None,
}
ENVIRONMENT = {"versions": {"jax": "0.10.2"}, "device_kind": "cpu", "num_devices": 1}
OTHER_ENVIRONMENT = {**ENVIRONMENT, "device_kind": "another"}


def at(start, stop, identity=IDENTITY):
    """Runs by their places among all of the sweep: ten seeds at one point, then ten at the next."""
    everywhere = at_every_point(as_ranges(identity["seeds"]), 2)
    return ranges_at_places(everywhere, start, stop)


def columns(start, stop, identity=IDENTITY):
    """Made-up results that depend on the run only, as real ones do; of the runs at some places."""
    runs = np.arange(start, stop)
    return {
        "seed": (identity["seeds"][0][0] + runs % 10).astype(np.uint32),
        "status": (1 + runs % 3).astype(np.int8),
        "epochs": (runs * 37 % 1000).astype(np.int32),
        "loss": (1 / (runs + 3)).astype(np.float32),
        "learning_rate": np.array(identity["grid"]["learning_rate"])[runs // 10 % 2],
        "weights": np.outer(runs, [1.0, -0.5]).astype(np.float32),
    }


def packed(folder, start, stop, lengths, content):
    """A chunk as a stranger could make it: sealed, whatever it holds."""
    header = {"fingerprint": folder.fingerprint, "start": start, "stop": stop}
    return chunks.pack(header, {chunks.HELD: np.asarray(lengths, np.uint8), **content})


def write_sweep(path, ranges, identity=IDENTITY):
    with SweepFolder.open_for_writing(path, identity, ENVIRONMENT) as folder:
        for start, stop in ranges:
            folder.publish_chunk(at(start, stop, identity), columns(start, stop, identity))
    return SweepFolder.open_for_reading(path)


def snapshot(path):
    """Bytes, modification time and inode of every file below a folder."""
    return {
        str(file): (file.read_bytes() if file.is_file() else None, stat.st_mtime_ns, stat.st_ino)
        for file in sorted(path.rglob("*"))
        for stat in [file.stat()]
    }


def equal_columns(one, other):
    return list(one) == list(other) and all(
        one[name].dtype == other[name].dtype and np.array_equal(one[name], other[name])
        for name in one
    )


# ---- identities ---------------------------------------------------------------------------------


def test_fingerprint_is_the_sha256_of_canonical_json():
    expected = hashlib.sha256(b'{"a":[1,{"b":null}],"z":0.1}').hexdigest()
    assert fingerprint({"z": 0.1, "a": (1, {"b": None})}) == expected
    which = {"seeds": [[0, 100]], "runs": None, "shard": None}
    assert fingerprint({"z": 0.1, "a": (1, {"b": None}), **which}) == expected


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_fingerprint_refuses_what_json_cannot_hold(number):
    with pytest.raises(ValueError, match="JSON compliant"):
        fingerprint({"momentum": number})


def test_fingerprint_survives_the_way_through_a_file():
    identity = {"sizes": (2, 2, 1), 10: "ten", 2: "two"}
    assert fingerprint(as_stored(identity)) == fingerprint(identity)


def leaves(value, path=()):
    """The path to every leaf of a nested mapping."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        if isinstance(inner, dict | list):
            yield from leaves(inner, (*path, key))
        else:
            yield (*path, key)


def changed(path, how):
    """Return the identity with one leaf changed, None where that change is not possible."""
    identity = copy.deepcopy(IDENTITY)
    holder = identity
    for key in path[:-1]:
        holder = holder[key]
    old = holder[path[-1]]
    if how == "other":
        holder[path[-1]] = f"not {old}"
    elif how == "type" and isinstance(old, int):
        holder[path[-1]] = float(old)  # an equal number and yet another setting
    elif how == "absent" and isinstance(holder, dict):
        del holder[path[-1]]
    else:
        return None
    return identity


CHANGES = [
    pytest.param(".".join(map(str, path)), identity, id=f"{'.'.join(map(str, path))}-{how}")
    for path in leaves(IDENTITY)
    if path[0] not in ("seeds", "runs")
    for how in ("other", "type", "absent")
    if (identity := changed(path, how))
]


@pytest.mark.parametrize(("field", "identity"), CHANGES)
def test_a_changed_field_is_refused_by_name_and_nothing_is_touched(tmp_path, field, identity):
    write_sweep(tmp_path, [(0, 10)])
    before = snapshot(tmp_path)
    with (
        pytest.raises(ResultsError) as refusal,
        SweepFolder.open_for_writing(tmp_path, identity, ENVIRONMENT),
    ):
        pass
    named = re.findall(r"`([^`]*)` was", str(refusal.value))
    assert named == [field]
    assert snapshot(tmp_path) == before


def test_every_differing_field_is_named_with_both_values(tmp_path):
    write_sweep(tmp_path, [])
    other = copy.deepcopy(IDENTITY)
    other["task"]["recipe"].update(momentum=0.5, weight_decay=1e-4)
    del other["task"]["options"]["hidden"]
    with (
        pytest.raises(ResultsError) as refusal,
        SweepFolder.open_for_writing(tmp_path, other, ENVIRONMENT),
    ):
        pass
    assert (
        "`task.options.hidden` was 2, is now absent; `task.recipe.momentum` was 0.9, is now 0.5; "
        "`task.recipe.weight_decay` was absent, is now 0.0001." in str(refusal.value)
    )


def test_dots_in_names_and_long_values_do_not_hide_a_difference():
    assert list(differences({"a.b": 1}, {"a": {"b": 1}})) == [
        "`a.b` was 1, is now absent",
        '`a` was absent, is now {"b":1}',
    ]
    (phrase,) = differences({"a": "x" * 1000}, {"a": "x" * 1000 + "y"})
    assert len(phrase) < 200


# ---- opening and refusing -----------------------------------------------------------------------


def refusal_of(path, identity=IDENTITY):
    with (
        pytest.raises(ResultsError) as refusal,
        SweepFolder.open_for_writing(path, identity, ENVIRONMENT),
    ):
        pass
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def test_a_folder_is_created_with_its_parents_and_resumed(tmp_path):
    path = tmp_path / "a b" / "größe 学習"
    folder = write_sweep(path, [(0, 10)])
    assert folder.identity == as_stored(IDENTITY)
    assert folder.environment == ENVIRONMENT
    manifest = json.loads((path / "sweep.json").read_text())
    assert manifest["format"] == 3
    assert manifest["fingerprint"] == folder.fingerprint == fingerprint(IDENTITY)
    with SweepFolder.open_for_writing(path, IDENTITY, OTHER_ENVIRONMENT) as resumed:
        assert resumed == folder  # the environment informs, it does not bind
        assert resumed.survey().intact[0].runs.tolist() == [[100, 110]]


def test_a_file_in_the_way_is_refused(tmp_path):
    path = tmp_path / "results"
    path.write_text("precious")
    assert "is a file, not a folder" in refusal_of(path)
    with pytest.raises(ResultsError, match="is a file, not a folder"):
        SweepFolder.open_for_reading(path)
    assert path.read_text() == "precious"


def test_a_foreign_folder_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    before = snapshot(tmp_path)
    assert "not a results folder (it has no sweep.json); nothing was written" in refusal_of(
        tmp_path
    )
    assert snapshot(tmp_path) == before
    with pytest.raises(ResultsError, match=r"it has no sweep\.json"):
        SweepFolder.open_for_reading(tmp_path)


def test_what_a_kill_leaves_before_the_first_file_is_not_foreign(tmp_path):
    (tmp_path / ".bpjax-0123456789abcdef.tmp").write_bytes(b"half a manif")
    write_sweep(tmp_path, [(0, 10)])
    assert sorted(os.listdir(tmp_path)) == ["chunks", "sweep-copy.json", "sweep.json"]


@pytest.mark.parametrize("path", ["/proc/results", "/dev/null/results", "results\0", "x" * 300])
def test_a_place_that_cannot_be_is_refused_in_one_line(path, tmp_path):
    assert "cannot " in refusal_of(tmp_path / path)


def test_a_missing_folder_cannot_be_read(tmp_path):
    with pytest.raises(ResultsError, match=r"cannot read '.*none': No such file or directory"):
        read_runs(tmp_path / "none")


def flipped(data, position, bit=1):
    changed = bytearray(data)
    changed[position] ^= bit
    return bytes(changed)


def test_a_damaged_manifest_is_named_wherever_a_bit_flips_and_its_copy_is_read(tmp_path):
    whole = write_sweep(tmp_path, [(0, 20)])
    for name in ("sweep.json", "sweep-copy.json"):
        file = tmp_path / name
        data = file.read_bytes()
        for position in range(0, len(data), 9):
            file.write_bytes(flipped(data, position, 1 << position % 8))
            folder = SweepFolder.open_for_reading(tmp_path)
            ((path, reason),) = folder.faults
            assert (path, reason) == (file, "its bytes do not match its checksum")
            assert (folder.identity, folder.environment) == (whole.identity, whole.environment)
        with pytest.warns(UserWarning, match=f"{name}' is not used: its bytes do not match"):
            assert equal_columns(read_runs(tmp_path).columns, columns(0, 20))
        assert [fault.path for fault in verify(tmp_path).faults] == [file]
        write_sweep(tmp_path, [])
        assert file.read_bytes() == data
        file.unlink()
        assert [tuple(fault) for fault in verify(tmp_path).faults] == [(file, "it is not there")]
        write_sweep(tmp_path, [])
        assert file.read_bytes() == data


def ruin_both(path):
    for name in ("sweep.json", "sweep-copy.json"):
        (path / name).write_bytes(flipped((path / name).read_bytes(), 50))


def test_without_both_copies_the_chunks_tell_which_sweep_it_is(tmp_path):
    write_sweep(tmp_path, [(0, 10)])
    good = (tmp_path / "sweep.json").read_bytes()
    ruin_both(tmp_path)
    with pytest.raises(ResultsError, match=r"is damaged: .* and so is its copy; give the command"):
        SweepFolder.open_for_reading(tmp_path)
    other = {**IDENTITY, "precision": "float64"}
    assert "is damaged" in refusal_of(tmp_path, other)
    write_sweep(tmp_path, [(10, 20)])
    assert (tmp_path / "sweep.json").read_bytes() == good
    assert verify(tmp_path).ok
    ruin_both(tmp_path)
    for chunk in (tmp_path / "chunks").iterdir():
        chunk.unlink()
    assert "is damaged" in refusal_of(tmp_path)


def test_the_manifest_of_another_sweep_is_told_by_the_chunks(tmp_path):
    other = {**IDENTITY, "block_size": 7}
    write_sweep(tmp_path / "one", [(0, 10)])
    write_sweep(tmp_path / "other", [], other)
    for name in ("sweep.json", "sweep-copy.json"):
        data = (tmp_path / "one" / name).read_bytes()
        (tmp_path / "one" / name).write_bytes((tmp_path / "other" / name).read_bytes())
        folder = SweepFolder.open_for_reading(tmp_path / "one")
        assert folder.identity["block_size"] == IDENTITY["block_size"]
        assert [fault.path.name for fault in folder.faults] == [name]
        write_sweep(tmp_path / "one", [])
        assert (tmp_path / "one" / name).read_bytes() == data
    (tmp_path / "one" / name).write_bytes((tmp_path / "other" / name).read_bytes())
    write_sweep(tmp_path / "other", [(10, 20)], other)
    (theirs,) = (tmp_path / "other" / "chunks").iterdir()
    theirs.rename(tmp_path / "one" / "chunks" / theirs.name)
    with pytest.raises(ResultsError, match="are of two sweeps, and there are chunks of both"):
        SweepFolder.open_for_reading(tmp_path / "one")
    for chunk in (tmp_path / "one" / "chunks").iterdir():
        chunk.unlink()
    with pytest.raises(ResultsError, match="are of two sweeps, and there are chunks of neither"):
        SweepFolder.open_for_reading(tmp_path / "one")


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "[" * 100_000, '{"format": 1}', "\xff"])
def test_a_manifest_that_is_none_is_refused(tmp_path, text):
    (tmp_path / "sweep.json").write_bytes(text.encode("latin-1"))
    assert "is damaged" in refusal_of(tmp_path)


def test_another_format_is_refused(tmp_path):
    folder = write_sweep(tmp_path, [])
    for name in ("sweep.json", "sweep-copy.json"):
        content = {"format": 4, "identity": {}, "environment": {"versions": {"bpjax": "7.1"}}}
        (tmp_path / name).write_bytes(sealed(content))
    words = (
        r"has format 4, and this bpjax reads 3: read it with the version .* \(bpjax 7\.1\), or make"
    )
    assert re.search(words, refusal_of(tmp_path))
    old = {**dict(vars(folder)), "format": 1, "path": None, "faults": None, "writer": None}
    old["fingerprint"] = digest(folder.identity)
    for name in ("sweep.json", "sweep-copy.json"):
        (tmp_path / name).write_text(json.dumps(old, indent=2))
    assert "has format 1, and this bpjax reads 3: read it with" in refusal_of(tmp_path)
    with pytest.raises(ResultsError, match="has format 1, and this bpjax reads 3"):
        verify(tmp_path)


def test_a_second_writer_in_this_process_is_refused(tmp_path):
    with SweepFolder.open_for_writing(tmp_path, IDENTITY, ENVIRONMENT):
        descriptors = os.listdir("/dev/fd")
        assert "another process is writing to" in refusal_of(tmp_path)
        assert os.listdir("/dev/fd") == descriptors
        SweepFolder.open_for_reading(tmp_path)
    write_sweep(tmp_path, [(0, 10)])


def test_a_second_writer_is_refused_until_the_first_is_killed(tmp_path):
    program = (
        "import sys, time; from bpjax.results.store import SweepFolder\n"
        f"with SweepFolder.open_for_writing(sys.argv[1], {IDENTITY!r}, {ENVIRONMENT!r}):\n"
        "    print('writing', flush=True); time.sleep(600)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, env=environment
    ) as first:
        assert first.stdout.readline() == b"writing\n"
        assert "another process is writing to" in refusal_of(tmp_path)
        first.kill()
        first.wait()
    write_sweep(tmp_path, [(0, 20)])
    assert verify(tmp_path).ok


def test_a_system_without_locks_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "fcntl", None)
    write_sweep(tmp_path, [(0, 20)])
    assert verify(tmp_path).ok


# ---- chunks -------------------------------------------------------------------------------------


def test_a_chunk_comes_back_as_it_was(tmp_path):
    folder = write_sweep(tmp_path, [(0, 10), (10, 20)])
    (first, second), damaged = folder.survey()
    assert damaged == ()
    assert first.path.name == "runs-000000000000100-000000000000110.npz"
    assert equal_columns(folder.read_chunk(first.path).columns, columns(0, 10))
    assert equal_columns(folder.read_chunk(second.path).columns, columns(10, 20))


def test_a_chunk_is_an_ordinary_npz_whose_end_is_the_sha256_of_the_rest(tmp_path):
    (chunk,) = write_sweep(tmp_path, [(0, 10)]).chunks()
    data = chunk.path.read_bytes()
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        assert np.array_equal(archive["epochs"], columns(0, 10)["epochs"])
    assert data[-64:].decode() == hashlib.sha256(data[:-64]).hexdigest()


def test_the_bytes_of_a_chunk_depend_on_its_contents_only(monkeypatch):
    header, content = {"start": 0}, columns(0, 10)
    data = chunks.pack(header, content)
    golden = "223c5c01d703b3b26490e850bba212d1c9b7256bc08c6f1ae51fd92bb62b37d8"
    assert hashlib.sha256(data).hexdigest() == golden
    monkeypatch.setattr(time, "time", lambda: 2e9)
    monkeypatch.setattr(time, "localtime", lambda *_: time.struct_time((2040,) + (1,) * 8))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "2000000000")
    monkeypatch.setattr(sys, "platform", "win32")
    assert chunks.pack(header, content) == data
    content["weights"] = np.asfortranarray(content["weights"])
    assert chunks.pack(header, content) == data


def test_columns_that_are_not_of_these_runs_are_not_published(tmp_path):
    good = columns(0, 10)
    with SweepFolder.open_for_writing(tmp_path, IDENTITY, ENVIRONMENT) as folder:
        for bad, words in [
            (
                {**good, "loss": good["loss"][:9]},
                r"column 'loss' must have 10 rows, got shape \(9,",
            ),
            ({**good, "loss": np.float32(1)}, r"column 'loss' must have 10 rows, got shape \(\)"),
            ({**good, "seed": good["seed"][::-1]}, "column 'seed' must hold seeds 100 to 109"),
            ({**good, "seed": good["seed"].astype(np.int64)}, "as uint32"),
            ({"loss": good["loss"]}, "its columns are not those of its sweep, see 'epochs'"),
            ({**good, "note": good["loss"]}, "its columns are not those of its sweep, see 'note'"),
            ({**good, "status": good["status"] + np.int8(1)}, "'status' must hold whole numbers"),
            ({**good, "status": good["status"].astype(np.int64)}, "from 1 to 3, as int8"),
            ({**good, "loss": good["loss"].astype(np.float64)}, "'loss' must hold float32"),
            ({**good, "epochs": good["epochs"] + np.int32(999)}, "from 0 to 1000, as int32"),
            ({**good, "weights": good["weights"][:, :1]}, r"10 rows, got shape \(10, 1\)"),
            ({**good, "learning_rate": np.full(10, 0.3)}, "must hold the settings of its runs"),
        ]:
            with pytest.raises(ValueError, match=words):
                folder.publish_chunk(at(0, 10), bad)
        for runs in ([(0, 2**32 + 1)], [(2 * 10**10, 2 * 10**10 + 10)], [(-3, 7)]):
            with pytest.raises(ValueError, match="it holds runs that the sweep cannot have"):
                folder.publish_chunk(runs, good)
    assert os.listdir(tmp_path / "chunks") == []


def test_a_sealed_file_that_is_no_chunk_is_damaged(tmp_path):
    folder = write_sweep(tmp_path, [(0, 10)])
    (chunk,) = folder.chunks()
    for body in [b"", b"PK\x05\x06", b"\x93NUMPY", b"\x80\x04K\x01."]:
        chunk.path.write_bytes(body + chunks.seal_of(body))
        with pytest.raises(DamagedChunk, match="it cannot be decoded"):
            folder.read_chunk(chunk.path)


def test_only_the_names_of_chunks_are_listed(tmp_path):
    folder = write_sweep(tmp_path, [(0, 10)])
    for name in [
        "notes.txt",
        ".bpjax-1.tmp",
        "runs-000000000000110-000000000000120 (1).npz",
        "runs-000000000000110-000000000000120.npz~",
        "runs-000000000000120-000000000000110.npz",
        "runs-000000000110-000000000120.npz",
    ]:
        (tmp_path / "chunks" / name).write_bytes(b"x")
    assert [chunk[:2] for chunk in folder.chunks()] == [(100, 110)]
    with pytest.raises(ResultsError, match="does not have the name of a chunk"):
        folder.read_chunk(tmp_path / "chunks" / "notes.txt")


def test_damage_that_new_ranges_have_superseded_can_be_removed(tmp_path):
    write_sweep(tmp_path, [(0, 10), (10, 20)])
    for chunk in SweepFolder.open_for_reading(tmp_path).chunks():
        chunk.path.write_bytes(b"")
    with SweepFolder.open_for_writing(tmp_path, IDENTITY, ENVIRONMENT) as folder:
        survey = folder.survey()
        assert not len(held_by(survey.intact))
        folder.publish_chunk(at(0, 10), columns(0, 10))
        folder.publish_chunk(at(10, 15), columns(10, 15))
        folder.publish_chunk(at(15, 20), columns(15, 20))
        folder.remove_damaged(survey.damaged)
    assert verify(tmp_path).ok
    assert verify(tmp_path).num_chunks == 3


def test_summary_is_written_and_replaced(tmp_path):
    with SweepFolder.open_for_writing(tmp_path, IDENTITY, ENVIRONMENT) as folder:
        seeds = {"first": 100, "count": 10, "ranges": [[100, 110]]}
        folder.write_summary({"num_runs": 0, "seeds": seeds})
        folder.write_summary({"num_runs": 20, "seeds": seeds, "epochs": {"median": None}})
        with pytest.raises(ValueError, match="JSON compliant"):
            folder.write_summary({"median": float("nan")})
        kept = {"num_runs": 20, "seeds": seeds, "epochs": {"median": None}}
        assert folder.read_summary() == kept
        data = (tmp_path / "summary.json").read_bytes()
        assert json.loads(data)["fingerprint"] == folder.fingerprint
        for position in range(0, len(data), 5):
            (tmp_path / "summary.json").write_bytes(flipped(data, position))
            with pytest.raises(ValueError, match="its bytes do not match its checksum"):
                folder.read_summary()
        assert [fault.path.name for fault in verify(tmp_path).faults] == ["summary.json"]
        (tmp_path / "summary.json").write_bytes(sealed({"num_runs": 20}))
        with pytest.raises(ValueError, match="it belongs to another sweep"):
            folder.read_summary()
        (tmp_path / "summary.json").write_bytes((tmp_path / "sweep.json").read_bytes())
        with pytest.raises(ValueError, match="it holds no summary"):
            folder.read_summary()


# ---- ranges -------------------------------------------------------------------------------------


def test_ranges_against_sets():
    random = np.random.default_rng(0)

    def some():
        pairs = random.integers([0, 1], [30, 8], (random.integers(6), 2))
        return as_ranges([(start, start + length) for start, length in pairs])

    def members(ranges):
        return {run for start, stop in ranges.tolist() for run in range(start, stop)}

    for _ in range(300):
        one, other = some(), some()
        for ours, theirs in (
            (chunks.without(one, other), members(one) - members(other)),
            (chunks.both(one, other), members(one) & members(other)),
            (chunks.union(one, other), members(one) | members(other)),
        ):
            assert [run for pair in ours.tolist() for run in range(*pair)] == sorted(theirs)
            assert all(one[1] < other[0] for one, other in pairwise(ours.tolist()))


# ---- reading sweeps -----------------------------------------------------------------------------


def shard(index, count, start, stop):
    return {
        **IDENTITY,
        "shard": {"index": index, "count": count},
        "runs": at(start, stop).tolist(),
    }


def test_runs_come_back_in_order_whatever_the_order_of_writing(tmp_path):
    write_sweep(tmp_path, [(15, 20), (0, 4), (4, 15)])
    table = read_runs(tmp_path)
    assert equal_columns(table.columns, columns(0, 20))
    assert table.identity == as_stored(IDENTITY)


def test_shards_merge_into_the_whole_sweep(tmp_path):
    write_sweep(tmp_path / "whole", [(0, 20)])
    bounds = [(0, 7), (7, 14), (14, 20)]
    paths = [tmp_path / str(index) for index in range(3)]
    for index, path in enumerate(paths):
        write_sweep(path, [bounds[index]], shard(index + 1, 3, *bounds[index]))
    whole, merged = read_runs(tmp_path / "whole"), read_runs(paths[2], paths[0], paths[1])
    assert merged.identity == whole.identity
    assert equal_columns(merged.columns, whole.columns)
    assert equal_columns(read_runs(paths[1]).columns, columns(7, 14))
    with pytest.raises(
        ResultsError,
        match=r"are 2 of 3 shards, and seeds 107 to 109 at point 1, 100 to 103 at point 2 are not",
    ):
        read_runs(paths[0], paths[2])
    with pytest.raises(ResultsError, match="at point 2 are not in them; name all of them"):
        read_runs(paths[0], paths[1])
    assert len(read_runs(paths[0], paths[2], allow_partial=True).columns["seed"]) == 13
    with pytest.raises(ResultsError, match="is named twice"):
        read_runs(*paths, paths[0])


def test_different_sweeps_do_not_merge(tmp_path):
    write_sweep(tmp_path / "a", [(0, 10)], shard(1, 2, 0, 10))
    other = copy.deepcopy(shard(2, 2, 10, 20))
    other["task"]["recipe"]["momentum"] = 0.5
    write_sweep(tmp_path / "b", [(10, 20)], other)
    with pytest.raises(
        ResultsError, match=r"different sweeps: `task\.recipe\.momentum` was 0\.9, is now 0\.5\."
    ):
        read_runs(tmp_path / "a", tmp_path / "b")


def test_missing_runs_are_named_or_accepted(tmp_path):
    write_sweep(tmp_path, [(0, 4), (8, 15)])
    with pytest.raises(
        ResultsError,
        match=r"seeds 104 to 107 at point 1, 105 to 109 at point 2 are missing .* run the same s",
    ):
        read_runs(tmp_path)
    seeds = read_runs(tmp_path, allow_partial=True).columns["seed"]
    expected = [*range(100, 104), 108, 109, *range(100, 105)]
    assert seeds.tolist() == expected
    assert verify(tmp_path).missing == ((104, 108), (10**10 + 105, 10**10 + 110))
    assert not verify(tmp_path).ok


def test_runs_that_are_there_twice_are_named_and_the_next_writer_sorts_them_out(tmp_path):
    write_sweep(tmp_path, [(0, 8), (5, 20), (3, 6)])
    with pytest.raises(ResultsError, match=r"seeds 103 to 105 are there twice, in .*; run the s"):
        read_runs(tmp_path)
    report = verify(tmp_path)
    assert [damage.start for damage in report.damaged] == [103, 105]
    assert [damage.reason for damage in report.damaged] == [
        "another chunk has seeds 103 to 105 too",
        "another chunk has seeds 105 to 107 too",
    ]
    assert report.missing == ((108, 110), (10**10 + 100, 10**10 + 110))
    with SweepFolder.open_for_writing(tmp_path, IDENTITY, ENVIRONMENT) as folder:
        folder.remove_repeated(folder.survey().damaged)
        folder.publish_chunk(at(8, 20), columns(8, 20))
    assert verify(tmp_path).ok
    assert equal_columns(read_runs(tmp_path).columns, columns(0, 20))


def test_a_chunk_beyond_the_grid_is_damaged(tmp_path):
    folder = write_sweep(tmp_path, [(0, 20)])
    path = tmp_path / "chunks" / chunks.chunk_name(3 * 10**10, 3 * 10**10 + 5)
    path.write_bytes(packed(folder, 3 * 10**10, 3 * 10**10 + 5, [5], columns(0, 5)))
    with pytest.raises(DamagedChunk, match="it holds runs that the sweep cannot have"):
        read_runs(tmp_path)


def test_chunks_with_wrong_seeds_are_damaged_even_when_sealed(tmp_path):
    folder = write_sweep(tmp_path, [])
    path = tmp_path / "chunks" / chunks.chunk_name(100, 110)
    wrong = {**columns(0, 10), "seed": columns(1, 11)["seed"]}
    path.write_bytes(packed(folder, 100, 110, [10], wrong))
    with pytest.raises(DamagedChunk, match="must hold seeds 100 to 109 in order"):
        folder.read_chunk(path)


def test_a_sweep_without_runs_is_refused_in_a_sentence(tmp_path):
    write_sweep(tmp_path, [])
    with pytest.raises(ResultsError, match="no run is finished yet"):
        read_runs(tmp_path, allow_partial=True)


def test_the_largest_seeds(tmp_path):
    identity = {**IDENTITY, "seeds": [[2**32 - 10, 2**32]]}
    write_sweep(tmp_path, [(0, 20)], identity)
    assert read_runs(tmp_path).columns["seed"].max() == 2**32 - 1


def test_the_storage_needs_no_jax():
    program = (
        "import sys; import bpjax.results.store, bpjax.results.export; print('jax' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    said = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout == "False\n"
