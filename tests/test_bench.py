"""The bench: every contender computes the same, the record says so, and no worker stays behind.

Nothing here looks at how fast anything is.
"""

import dataclasses
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace as Namespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bpjax
import bpjax.cli.bench
from bpjax.bench import client, contenders, gpu, idiom, measure, numpy_nets, ours, table
from bpjax.bench.cases import case_task
from bpjax.bench.client import Worker, WorkerError, both_workers, environment
from bpjax.bench.contenders import Contender
from bpjax.bench.measure import _calibrated
from bpjax.bench.ours import Timed
from bpjax.bench.outcome import Outcome, judge
from bpjax.bench.plain import initial_vectors, to_plain, to_vectors, why_not_plain
from bpjax.bench.record import SCHEMA_VERSION, disagreements, failures, with_ratios
from bpjax.bench.sizes import (
    ALL_CORES,
    BASELINES,
    CASES,
    DEFAULT,
    FULL,
    GPU_CASES,
    IDIOM_IN_WORDS,
    LARGER_CASES,
    QUICK,
    TINY,
    Size,
)
from bpjax.bench.table import render
from bpjax.bench.worker import Desk, serve
from bpjax.cli import main
from bpjax.cli.options import parse
from bpjax.errors import SettingError
from bpjax.params import flatten_params, unflatten_params
from bpjax.surroundings import cpu_kind
from bpjax.sweeps import devices

SOURCE = Path(bpjax.__file__).parents[1]
SMALL = Size(runs=8, our_runs=8, epochs=12, numpy_runs=6, check_runs=5)


@pytest.fixture(autouse=True)
def source_on_the_path(monkeypatch):
    """Let workers find bpjax, whether that is installed or in the source tree."""
    path = os.pathsep.join(filter(None, [str(SOURCE), os.environ.get("PYTHONPATH")]))
    monkeypatch.setenv("PYTHONPATH", path)


@pytest.fixture
def as_users_write():
    """Allow `x @ w + b`, which strict promotion of ranks forbids."""
    with jax.numpy_rank_promotion("allow"):
        yield


def reference(task, vectors, epochs):
    """Return the weights after some epochs, by bpjax's own gradient and equation (9), float64."""
    with jax.enable_x64(True):
        return _reference(task, vectors, epochs)


def _reference(task, vectors, epochs):
    value_and_grad = bpjax.value_and_grad(task.network)
    inputs, targets = task.cases(jnp.float64)

    def train(vector):
        def epoch(_, carry):
            vector, velocity = carry
            _, grads = value_and_grad(unflatten_params(task.network, vector), inputs, targets)
            velocity = task.recipe.momentum * velocity
            velocity -= task.recipe.learning_rate * flatten_params(task.network, grads)
            return vector + velocity, velocity

        return jax.lax.fori_loop(0, epochs, epoch, (vector, jnp.zeros_like(vector)))[0]

    return np.asarray(jax.jit(jax.vmap(train))(jnp.asarray(vectors, jnp.float64)))


# ---- the contenders ------------------------------------------------------------------------------


@pytest.mark.parametrize("case", [*CASES, *LARGER_CASES])
@pytest.mark.usefixtures("float64")
def test_numpy_computes_what_our_gradient_does(case):
    task = case_task(case)
    vectors = initial_vectors(task, 3).astype(np.float64)
    expected = reference(task, vectors, epochs=10)
    for train in (numpy_nets.train_one_by_one, numpy_nets.train_batched):
        np.testing.assert_allclose(train(task, vectors, 10), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.usefixtures("as_users_write")
def test_the_idioms_compute_what_our_gradient_does():
    task, runs = case_task("xor"), 2 * jax.local_device_count()
    vectors = initial_vectors(task, runs)
    expected = reference(task, vectors, epochs=10)
    params = to_plain(task.network, vectors)
    start, step = idiom.python_loop(task)
    carry = start(params)
    for _ in range(10):
        carry, losses = step(carry)
    ends = [idiom.idiom(task, 10)(params), idiom.idiom_sharded(task, 10)(params), (carry[0], None)]
    for plain, _ in ends:
        np.testing.assert_allclose(to_vectors(task.network, plain), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ends[0][1][:, -1], losses, rtol=1e-5)


@pytest.mark.usefixtures("as_users_write")
def test_the_idiom_wires_a_net_with_two_input_layers_right():
    task = case_task("family")
    vectors = initial_vectors(task, 2)
    plain, _ = idiom.idiom(task, 5)(to_plain(task.network, vectors))
    expected = reference(task, vectors, epochs=5)
    np.testing.assert_allclose(to_vectors(task.network, plain), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", [*CASES, *LARGER_CASES])
def test_plain_weights_go_back_to_the_same_vectors(case):
    network = case_task(case).network
    vectors = np.random.default_rng(0).normal(size=(3, network.num_parameters)).astype(np.float32)
    np.testing.assert_array_equal(to_vectors(network, to_plain(network, vectors)), vectors)


def test_the_judge_sees_a_solution_and_a_wrong_one():
    task = bpjax.tasks.xor()
    solution = [20, -20, 20, -20, 20, -20, -10, 10, -10]
    plain = to_plain(task.network, np.array([solution], np.float32))
    plain["output"]["w"] = np.array([[[20], [-20]]], np.float32)
    plain["hidden"]["w"] = np.array([[[20, -20], [-20, 20]]], np.float32)
    plain["hidden"]["b"] = np.array([[-10, 10]], np.float32)
    outcome = judge(task, to_vectors(task.network, plain), epochs=7)
    assert (outcome.runs, outcome.epochs, outcome.solved) == (1, 7, 0.0)
    plain["hidden"]["b"] = np.array([[-10, 30]], np.float32)
    plain["hidden"]["w"] = np.array([[[20, -20], [20, -20]]], np.float32)
    plain["output"] = {
        "w": np.array([[[20], [20]]], np.float32),
        "b": np.array([[-30]], np.float32),
    }
    outcome = judge(task, to_vectors(task.network, plain), epochs=7)
    assert outcome.solved == 1.0
    assert outcome.loss < 0.01
    assert judge(task, np.full((1, 9), np.nan, np.float32), 7).loss is None


def test_the_family_case_is_the_same_everywhere_and_has_one_answer_per_question():
    task = case_task("family")
    assert task.num_cases == len({tuple(row) for row in task.inputs.tolist()}) == 104
    np.testing.assert_array_equal(task.inputs[:, :24].sum(axis=1), 1)
    np.testing.assert_array_equal(task.inputs[:, 24:].sum(axis=1), 1)
    np.testing.assert_array_equal(task.targets.sum(axis=1), 1)
    np.testing.assert_array_equal(task.targets, case_task("family").targets)


# ---- record and table ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Return (exit code, record, standard output) of a bench of one case at tiny size."""
    file, out = tmp_path_factory.mktemp("bench") / "record.json", io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(SOURCE), prepend=os.pathsep)
        patch.setattr(bpjax.cli.bench, "CASES", {"xor": SMALL})
        patch.setattr(bpjax.cli.bench, "QUICK", TINY)
        patch.setattr(sys, "stdout", out)
        code = main(["bench", "--quick", "--json", str(file), "--no-figures"])
    return code, json.loads(file.read_text(), parse_constant=pytest.fail), out.getvalue()


def test_the_record_names_machine_versions_flags_and_sizes(tiny):
    code, record, _ = tiny
    assert code == 0
    assert record["schema_version"] == SCHEMA_VERSION
    assert (record["suite"], record["dtype"]) == ("cpu", "float32")
    assert record["budget"] == TINY._asdict()
    assert {"cpu_model", "num_cores", "python", "bpjax"} <= record["machine"].keys()
    assert record["machine"]["memory_bytes"] > 2**28
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", record["date"])
    assert all(len(record["load"][when]) == 3 for when in ("start", "end"))
    assert record["workers"][DEFAULT]["cpu"] == cpu_kind()
    assert record["number"]["refused"].endswith("encoder, symmetry, family was left out")
    default, all_cores = record["workers"][DEFAULT], record["workers"][ALL_CORES]
    assert (default["num_devices"], default["xla_flags"]) == (1, "")
    assert all_cores["num_devices"] == record["machine"]["num_cores"]
    assert "xla_cpu_small_while_loop_byte_threshold" in all_cores["xla_flags"]
    assert {"jax", "jaxlib", "numpy", "optax"} == default["versions"].keys()
    assert all_cores["matmul_precision"] is None
    assert all_cores["platform_version"]
    assert record["seconds"] > 0


def test_the_record_holds_every_contender_with_time_and_outcome(tiny):
    (case,) = tiny[1]["cases"]
    assert (case["name"], case["num_cases"], case["num_parameters"]) == ("xor", 4, 9)
    entries = {entry["name"]: entry for entry in case["contenders"]}
    assert entries.keys() == {*BASELINES, *ours.implementations()}
    assert case["chosen"] in entries
    for entry in entries.values():
        assert len(entry["rates"]) == len(entry["seconds"]) == TINY.rounds
        assert 0 < entry["min"] <= entry["median"] <= entry["max"]
        made = np.multiply(entry["rates"], entry["seconds"])
        np.testing.assert_allclose(made, entry["runs"] * entry["epochs"])
    assert entries["idiom"]["ratio"] == 1
    assert entries["idiom"]["epochs"] == SMALL.epochs
    assert entries["matrix"]["block_size"] >= 1


def test_all_contenders_agree_on_loss_and_solved_share(tiny):
    (case,) = tiny[1]["cases"]
    outcomes = {entry["name"]: dict(entry["outcome"]) for entry in case["contenders"]}
    losses = {name: outcome.pop("loss") for name, outcome in outcomes.items()}
    assert losses == pytest.approx(dict.fromkeys(losses, losses["idiom"]), rel=1e-5)
    expected = {"runs": SMALL.check_runs, "epochs": SMALL.epochs, "solved": 0.0}
    assert outcomes == dict.fromkeys(losses, expected)
    assert all(entry["agrees"] for entry in case["contenders"])


def test_the_record_holds_useful_throughput_or_why_not(tiny):
    useful = tiny[1]["useful"]
    assert (useful["case"], useful["seeds"]) == ("xor", TINY.useful_seeds)
    if useful["refused"] is None:
        assert useful["gain"] > 0
        assert useful["refill"]["seed_epochs"] == useful["no_refill"]["seed_epochs"]
        assert useful["refill"]["converged"] == useful["no_refill"]["converged"]


def test_the_table_has_a_row_per_contender_and_marks_what_auto_takes(tiny):
    _, record, printed = tiny
    text = render(record)
    assert printed.startswith(text)
    (case,) = record["cases"]
    for entry in case["contenders"]:
        assert re.search(rf"^  {entry['name']} +[\d.]+ +[\d.]+ ", text, re.MULTILINE)
    assert re.search(rf"^  {case['chosen']} .*<- auto$", text, re.MULTILINE)
    rows = [line for line in text.splitlines() if re.match(r"  (contender|idiom|matrix) ", line)]
    assert len({line.index("%") + 1 for line in rows[1:]} | {len(rows[0])}) == 1


def test_a_wrong_answer_and_a_refusal_show(tiny):
    record = json.loads(json.dumps(tiny[1]))
    (case,) = record["cases"]
    by_name = {entry["name"]: entry for entry in case["contenders"]}
    by_name["numpy-one"]["outcome"]["loss"] *= 1.1
    by_name["python-loop"]["outcome"]["loss"] = None
    refusal = {"name": "unrolled", "worker": ALL_CORES, "refused": "too large"}
    case["contenders"] = with_ratios(
        [by_name["numpy-one"], by_name["python-loop"], by_name["idiom"], refusal]
    )
    assert disagreements(record) == ["xor: numpy-one", "xor: python-loop"]
    text = render(record)
    assert re.search(r"^  numpy-one .*OFF$", text, re.MULTILINE)
    assert re.search(r"^  python-loop .*not finite.*OFF$", text, re.MULTILINE)
    assert "  unrolled        not served: too large" in text
    off = "OFF, not the loss of the idiom or of the others: xor: numpy-one, xor: python-loop"
    assert off in text.split("\n\n")


def test_the_table_of_useful_throughput(tiny):
    session = {"median": 2e6, "min": 1e6, "max": 3e6, "seconds": [2.0, 1.0, 4.0], "converged": 0.5}
    useful = {
        "case": "xor",
        "seeds": 1000,
        "max_epochs": 10_000,
        "refused": None,
        "refill": session | {"occupancy": 0.95},
        "no_refill": session | {"occupancy": None},
        "gain": 4.321,
        "gain_in_lane_epochs": 5.0,
    }
    text = render(tiny[1] | {"useful": useful})
    assert re.search(r"refilled +2\.00 +1\.00 to 3\.00 +2\.00 +95\.0% +50\.00%", text)
    assert re.search(r"run to the cap .* unknown ", text)
    assert "gain from refilling: 4.32 x in time, 5.00 x in lane-epochs" in text
    refused = {**useful, "refused": "refill is no setting"}
    assert "not served: refill is no setting" in render(tiny[1] | {"useful": refused})


@pytest.mark.parametrize("overhead", [0.0, 0.01])
def test_calibration_ends_near_the_seconds_asked_for(overhead):
    def turn(epochs):
        return {"seconds": overhead + epochs * 1e-6}

    epochs = _calibrated(turn, {"free": True, "epochs": 100}, seconds=0.5)
    assert 0.25 < turn(epochs)["seconds"] < 0.75
    assert _calibrated(turn, {"free": False, "epochs": 100}, seconds=0.5) == 100


def test_quick_is_quicker():
    assert all(quick <= full for quick, full in zip(QUICK, FULL, strict=True))


# ---- workers -------------------------------------------------------------------------------------


def test_a_worker_answers_line_by_line():
    requests = [
        {"do": "hello"},
        {"do": "describe", "case": "family", "epochs": 3},
        {"do": "prepare", "contender": "nosuch", "case": "xor", "size": list(SMALL)},
        {"do": "prepare", "contender": "numpy-one", "case": "xor", "size": list(SMALL)},
        {"do": "turn", "contender": "numpy-one", "case": "xor", "size": list(SMALL), "epochs": 3},
        {"do": "forget"},
    ]
    answers = io.StringIO()
    serve(io.StringIO("".join(json.dumps(request) + "\n" for request in requests)), answers)
    hello, described, refused, prepared, turn, forgotten = map(
        json.loads, answers.getvalue().splitlines()
    )
    assert hello["ok"]["num_devices"] == jax.local_device_count()
    assert described["ok"]["network"].startswith("24")
    assert described["ok"]["num_parameters"] == 630
    assert refused["refused"][0] == "implementation"
    assert refused["refused"][2] == "'nosuch'"
    assert prepared["ok"]["outcome"]["runs"] == SMALL.check_runs
    assert turn["ok"]["seed_epochs"] == 3 * prepared["ok"]["runs"]
    assert forgotten == {"ok": None}


def test_the_default_worker_gets_none_of_the_users_flags():
    given = {"XLA_FLAGS": "--a", "JAX_NUM_CPU_DEVICES": "4", "JAX_ENABLE_X64": "1", "HOME": "/"}
    assert environment(DEFAULT, "cpu", given) == {"HOME": "/", "JAX_PLATFORMS": "cpu"}
    ours = environment(ALL_CORES, "cpu", given)
    assert ours == {
        **environment(DEFAULT, "cpu", given),
        "XLA_FLAGS": "--a",
        "JAX_NUM_CPU_DEVICES": "4",
    }
    assert "JAX_PLATFORMS" not in environment(DEFAULT, "gpu", given)


def test_a_dead_worker_is_one_sentence_and_none_stays_behind():
    with both_workers("cpu", lambda: None) as workers:
        workers[DEFAULT].process.send_signal(signal.SIGKILL)
        with pytest.raises(WorkerError, match="the default worker was ended by signal 9 before"):
            workers[DEFAULT].ask("hello")
        assert workers[DEFAULT].ask("forget") is None, "there is a new one"
        with pytest.raises(WorkerError, match=r"the all-cores worker ended with code 1 .*nosuch"):
            workers[ALL_CORES].ask("nosuch")
    assert all(worker.process.poll() is not None for worker in workers.values())


def test_a_worker_that_does_not_answer_is_replaced(monkeypatch):
    monkeypatch.setitem(client.PATIENCE, "cpu", 0.0)
    with both_workers("cpu", lambda: None) as workers:
        worker, silent = workers[DEFAULT], workers[DEFAULT].process
        with pytest.raises(WorkerError, match="the default worker gave no answer in 0 s"):
            worker.ask("hello")
        monkeypatch.setitem(client.PATIENCE, "cpu", None)
        assert worker.ask("forget") is None
        assert silent.poll() is not None


def test_the_last_words_are_not_a_stack_trace():
    crash = (
        "F0000 Check failed: it is broken\n*** Check failure stack trace: ***\n    @ 0x7f05 main\n"
    )
    with both_workers("cpu", lambda: None) as workers:
        worker = workers[DEFAULT]
        worker.process.kill()
        worker.process.wait()
        worker.errors.write(crash)
        with pytest.raises(WorkerError, match=r"answered: F0000 .* it is broken$"):
            worker.ask("hello")


def test_a_stop_while_an_answer_is_awaited_ends_the_workers():
    def check():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), both_workers("cpu", check) as workers:
        workers[DEFAULT].ask("hello")
    assert all(worker.process.poll() is not None for worker in workers.values())


def test_a_worker_ends_when_nobody_asks_any_more():
    worker = Worker(DEFAULT, "cpu", lambda: None)
    worker.process.stdin.close()
    assert worker.process.wait(timeout=30) == 0
    worker.close()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_ends_command_and_workers_with_one_sentence(number, code):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, "-m", "bpjax.cli", "bench", "--case", "encoder"]
    process = subprocess.Popen(command, start_new_session=True, **pipes)
    deadline = time.monotonic() + 30
    while len(children := children_of(process.pid)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    printed, errors = process.communicate(timeout=30)
    assert process.returncode == code
    assert (printed, errors) == ("", "stopped; nothing is kept of an unfinished bench\n")
    assert len(children) == 2
    assert not [child for child in children if Path(f"/proc/{child}").exists()]


def children_of(pid):
    """Return the processes that `pid` has started."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    if not path.exists():
        pytest.skip("this system does not list child processes")
    return path.read_text().split()


# ---- what is refused -----------------------------------------------------------------------------

BAD = {
    "bench --case nosuch": "--case must be among xor, encoder, symmetry, family, iris, spi",
    "bench --case xor xor": "--case must not have a value twice, got ['xor', 'xor'].",
    "bench --suite tpu": "--suite must be one of cpu, gpu, got 'tpu'.",
    "bench --json nosuch/x": "--json must be a file that can be written (no such folder",
    "bench --json /": "--json must be a file that can be written, got '/'.",
    "bench --runs": "Unrecognized options: --runs.",
    "bench --rounds some": "--rounds must be a whole number, got 'some'.",
    "bench --rounds 0": "--rounds must be a whole number from 1 to 1000, got 0.",
    "bench --lanes 0": "--lanes must be a whole number from 1 to 1048576, got 0.",
    "bench --precision float16": "--precision must be one of float32, float64, got 'float16'.",
    "bench nosuch": "TASK must be one of symmetry, xor, ",
    "bench nosuch.toml": "nosuch.toml cannot be read: ",
    "bench compare a.json": "A.JSON B.JSON must be two records, got ['a.json'].",
    "bench compare a.json b.json": "cannot read 'a.json': No such file or directory.",
}


@pytest.mark.parametrize("words", BAD)
def test_bad_input_is_one_sentence(words, capsys):
    assert main(words.split()) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"bpjax: {BAD[words]}")
    assert printed.err.count("\n") == 1


@pytest.mark.usefixtures("as_users_write")
def test_what_only_a_gpu_is_asked_for_is_measured_and_shown(tiny):
    """Here on the CPU, with few lanes: all of it but the numbers."""
    desk = Desk()

    def ask(role, do, **words):
        answer = desk.answer({"do": do, **words})
        if "refused" in answer:
            raise SettingError(*answer["refused"])
        return json.loads(json.dumps(answer["ok"], allow_nan=False))

    rows = gpu.measure_lanes(ask, BASELINES, TINY, 1e9, print, lanes=(8,))
    assert [row["name"] for row in rows] == list(gpu.CONTENDERS)
    *served, kernel = rows
    for row in served:
        assert len(row["rates"]) == TINY.rounds
        assert row["share_of_bound"] == row["median"] / 1e9 > 0
        assert row["min"] <= row["median"] <= row["max"]
        assert row["compile_seconds"] > 0
        assert row["peak_bytes"] is None
    assert "needs an NVIDIA GPU" in kernel["refused"]

    sweeps = gpu.measure_sweeps(ask, ["auto"], print, seeds=(20, 40))
    assert [row["seeds"] for row in sweeps] == [20, 40]
    assert 0 < sweeps[0]["converged"] <= sweeps[1]["converged"]
    for row in sweeps:
        assert row["solved"]["low"] < row["converged"] / row["seeds"] <= row["solved"]["high"]
        assert row["runs_per_second"] * row["seconds"] == pytest.approx(row["seeds"])
    billion = gpu.billion(sweeps)
    assert billion["seconds"] == pytest.approx(10**9 / sweeps[1]["runs_per_second"])
    measured = {"bound": 1e9, "lanes": rows, "sweeps": sweeps, "billion": billion}
    text = render(tiny[1] | {"gpu": measured})
    assert re.search(r"^  unrolled +8 +[\d.,]+ +[\d.]+%$", text, re.MULTILINE)
    assert re.search(r"^  fused +8 +not served$", text, re.MULTILINE)
    assert re.search(r"^  fused: implementation .* needs an NVIDIA GPU", text, re.MULTILINE)
    assert re.search(r"^  unrolled +40 +[\d.]+ .*%$", text, re.MULTILINE)
    assert re.search(
        r"^  10\^9 XOR runs .* in about [\d,.]+ s: projected from 40 runs$", text, re.M
    )


def test_a_sweep_that_would_take_too_long_is_left_out():
    def ask(role, do, seeds, implementation):
        words = {"implementation": implementation, "compile_seconds": 60.0}
        return words | {"seeds": seeds, "seconds": seeds * 1e-6}

    rows = gpu.measure_sweeps(ask, ["fused", "auto"], print)
    assert [row["seeds"] for row in rows] == [10**6, 10**7]
    billion = gpu.billion(rows)
    assert (billion["seconds"], billion["measured"]) == (pytest.approx(1000), False)
    billion = gpu.billion([*rows, ask("", "", 10**9, "fused")])
    assert billion == {
        "seconds": pytest.approx(1000),
        "measured": True,
        "seeds_measured": 10**9,
        "implementation": "fused",
    }
    (line,) = table._billion(billion)
    assert line == "  10^9 XOR runs to their outcome in 1,000 s"


# ---- what is asked for ---------------------------------------------------------------------------


def asked(words):
    return bpjax.cli.bench._asked(parse(bpjax.cli.bench.Options, "bench", words.split()))


def test_rounds_lanes_and_precision_are_what_was_asked_for():
    usual = asked("")
    assert (usual.suite, usual.budget, usual.precision, usual.lanes) == (
        "cpu",
        FULL,
        "float32",
        None,
    )
    assert usual.sizes == CASES
    mine = asked("--rounds 5 --lanes 64 --precision float64 --case xor iris --quick")
    assert mine.budget == QUICK._replace(rounds=5)
    sizes = {"xor": CASES["xor"], "iris": LARGER_CASES["iris"]}
    assert mine.sizes == {name: size._replace(block_size=64) for name, size in sizes.items()}
    assert (mine.precision, mine.lanes) == ("float64", 64)
    on_gpu = asked("--suite gpu --lanes 64 --case xor").sizes["xor"]
    assert (on_gpu.runs, on_gpu.block_size) == (64, 64), "there all train equally many at once"


@pytest.mark.parametrize(
    ("platforms", "words", "suite"),
    [
        ("", "", "cpu"),
        ("cpu", "", "cpu"),
        ("cpu,cuda", "", "cpu"),
        ("cuda", "", "gpu"),
        ("cuda,cpu", "", "gpu"),
        ("rocm", "", "gpu"),
        ("cuda", "--suite cpu", "cpu"),
        ("cpu", "--suite gpu", "gpu"),
    ],
)
def test_a_gpu_is_asked_for_by_an_option_or_by_the_variable_of_jax(
    monkeypatch, platforms, words, suite
):
    monkeypatch.setenv("JAX_PLATFORMS", platforms)
    assert asked(words).suite == suite


@pytest.mark.parametrize(
    "words",
    [
        "--suite gpu",
        "--suite=gpu --quick",
        "xor --suite gpu --lanes 64",
        "mine.toml --suite gpu --precision float64",
        "",  # by JAX_PLATFORMS
    ],
)
def test_however_a_missing_gpu_is_asked_for_the_exit_code_is_3(
    monkeypatch, tmp_path, capsys, words
):
    asked = []

    class Without(Namespace):
        def ask(self, do):
            asked.append(do)
            return "JAX has no plugin for GPUs here"

    monkeypatch.chdir(tmp_path)
    assert main(["new", "mine"]) == 0
    capsys.readouterr()
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    workers = nullcontext({ALL_CORES: Without()})
    monkeypatch.setattr(bpjax.cli.bench, "both_workers", lambda *words: workers)
    assert main(["bench", *words.split(), "--json", "it.json"]) == 3
    assert asked == ["why_no_gpu"]
    said = "Nothing was measured. JAX has no plugin for GPUs here.\n"
    assert capsys.readouterr() == (said, "")
    assert not Path("it.json").exists()


# ---- a user's own experiment ---------------------------------------------------------------------

PYTHON = """\
import bpjax

def tanh():
    cases = [[0, 0], [0, 1], [1, 0], [1, 1]]
    return bpjax.Task.from_arrays(cases, [0, 1, 1, 0], hidden=2, unit="tanh", learning_rate=0.1)
"""


@pytest.fixture
def own(tmp_path, monkeypatch, capsys):
    """Return a folder with an experiment as `bpjax new` writes it, and one without an idiom."""
    monkeypatch.chdir(tmp_path)
    assert main(["new", "mine"]) == 0
    capsys.readouterr()
    Path("nets.py").write_text(PYTHON)
    return tmp_path


def test_a_file_of_the_users_is_a_case(own):
    assert list(asked("mine.toml").sizes) == ["mine.toml"]
    assert list(asked("nets.py:tanh --case xor").sizes) == ["xor", "nets.py:tanh"]
    assert asked("xor").sizes == {"xor": CASES["xor"]}, "a word that is a case's is the case"
    assert list(asked("parity").sizes) == ["parity"]
    path = str(own / "mine.toml")
    case = measure.measure_case({ALL_CORES: Local()}, {}, path, SMALL, TINY, lambda line: None)
    assert case["name"] == "mine.toml", "without the folder: the record is for others"
    assert case["idiom"] == IDIOM_IN_WORDS
    assert case["learning_rate"] == 0.5


@pytest.mark.usefixtures("own")
def test_where_there_is_no_idiom_that_is_said_and_ours_are_held_against_each_other(tiny):
    roles = dict.fromkeys(("numpy-one", "idiom", "matrix", "batched"), DEFAULT)
    case = case_of(roles, rounds=2, case="nets.py:tanh")
    assert case["idiom"] == "none: its units are not all logistic"
    *others, first, second = case["contenders"]
    for entry in others:
        assert entry["refused"] == "cannot train this: its units are not all logistic"
    for entry in (first, second):
        assert (entry["ratio"], entry["agrees"], entry["outcome"]["solved"]) == (None, True, None)
    record = tiny[1] | {"cases": [case]}
    text = render(record)
    assert "\n  There is no idiom for it: its units are not all logistic.\n" in text
    assert re.search(r"^  matrix +[\d.]+ .* unknown", text, re.MULTILINE)
    second["outcome"]["loss"] *= 1.1
    case["contenders"] = with_ratios(case["contenders"])
    assert disagreements(record) == ["nets.py:tanh: batched"]


XOR = bpjax.tasks.xor()


@pytest.mark.parametrize(
    ("task", "why"),
    [
        *((case_task(name), None) for name in (*CASES, *LARGER_CASES)),
        (bpjax.tasks.parity(), None),
        (XOR.with_settings(hidden_unit="tanh"), "its units are not all logistic"),
        (XOR.with_settings(loss="cross-entropy"), "its loss is not half the squared error"),
        (XOR.with_settings(optimizer="adam"), "its rule is not descent with momentum"),
        (XOR.with_settings(weight_decay=0.01), "its weights decay"),
        (XOR.with_settings(updates="case"), "its weights change before all cases were seen"),
        (
            XOR.with_settings(learning_rate=bpjax.Schedule((0.1, 0.2), (5,))),
            "its rate or momentum changes",
        ),
        (
            XOR.with_settings(initializer=bpjax.Start(np.zeros(9))),
            "its weights do not start as uni",
        ),
        (
            bpjax.tasks.xor(hidden=1, direct=True),
            "it has connections that skip layers, or several layers of out",
        ),
        (bpjax.tasks.sequence(), "it has units without a bias of their own"),
        (bpjax.tasks.addition(), "it has connections with masks, ties, delays or frozen weights"),
        (dataclasses.replace(XOR, held_out=1), "cases are held out"),
    ],
)
def test_there_is_an_idiom_for_plain_tasks_only(task, why):
    said = why_not_plain(task)
    assert said == why or (why and said.startswith(why))


@pytest.mark.usefixtures("as_users_write", "float64")
def test_in_double_precision_all_contenders_are():
    worker, words = Local(), {"case": "xor", "size": list(SMALL)}
    names = ("numpy-batched", "idiom", "matrix")
    made = [worker.ask("prepare", contender=name, **words)["outcome"] for name in names]
    losses = [outcome["loss"] for outcome in made]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-12), "float32 would differ by 1e-8"
    assert environment(DEFAULT, "cpu", {}, "float64")["JAX_ENABLE_X64"] == "1"
    assert "JAX_ENABLE_X64" not in environment(ALL_CORES, "cpu", {"JAX_ENABLE_X64": "1"})


# ---- where there is no GPU -----------------------------------------------------------------------

PLUGIN = {"jax-cuda13-pjrt": "0.10.2"}


def no_card(monkeypatch, plugins, signs=(), platforms="", backend="cpu"):
    """Make JAX say what it says on such a machine."""

    def default_backend():
        if isinstance(backend, str):
            return backend
        raise backend

    monkeypatch.setattr(devices, "gpu_plugins", lambda: plugins)
    monkeypatch.setattr(devices, "SIGNS_OF_A_CARD", signs)
    monkeypatch.setattr(jax, "default_backend", default_backend)
    monkeypatch.setenv("JAX_PLATFORMS", platforms)
    return devices.why_no_gpu()


def test_why_there_is_no_gpu_is_said_in_one_sentence(monkeypatch, tmp_path):
    brings = "`pip install 'bpjax[cuda13]'` brings one"
    without = no_card(monkeypatch, {}, [tmp_path / "nosuch"])
    assert without == f"JAX has no plugin for GPUs here; {brings}"
    card = no_card(monkeypatch, {}, [tmp_path])
    though = ", though the machine seems to have an NVIDIA card"
    assert card == f"JAX has no plugin for GPUs here{though}; {brings}"
    plugin = "JAX has a plugin for GPUs here (jax-cuda13-pjrt), but finds none"
    assert no_card(monkeypatch, PLUGIN) == plugin
    assert no_card(monkeypatch, PLUGIN, (), "cpu") == f"{plugin} with JAX_PLATFORMS=cpu"
    fault = RuntimeError("Unable to initialize backend 'cuda': the driver is too old\nat line 3")
    assert no_card(monkeypatch, PLUGIN, (), "", fault) == f"{plugin}: {str(fault)[:-10]}"
    told = f"{plugin} with JAX_PLATFORMS=cuda"
    assert no_card(monkeypatch, PLUGIN, (), "cuda", AssertionError()) == told
    assert no_card(monkeypatch, PLUGIN, backend="gpu") is None


def test_plugins_for_gpus_are_known_by_their_names(monkeypatch):
    def entry_points(group):
        assert group == "jax_plugins"
        names = ("jax-cuda13-pjrt", "jax-rocm7-pjrt", "libtpu")
        return [Namespace(dist=Namespace(name=name, version="1")) for name in names]

    monkeypatch.setattr(devices, "entry_points", entry_points)
    assert devices.gpu_plugins() == {"jax-cuda13-pjrt": "1", "jax-rocm7-pjrt": "1"}


def test_without_a_gpu_the_gpu_suite_says_so(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert main(["bench", "--suite", "gpu", "--json", str(tmp_path / "record.json")]) == 3
    printed = capsys.readouterr()
    assert printed.out == f"Nothing was measured. {devices.why_no_gpu()}.\n"
    assert printed.err == ""
    assert list(tmp_path.iterdir()) == []


# ---- what fails, fails alone ---------------------------------------------------------------------

FAULT = RuntimeError("RESOURCE_EXHAUSTED: Out of memory\nwhile allocating")
REASON = "RuntimeError: RESOURCE_EXHAUSTED: Out of memory"


class Local:
    """A worker without a process."""

    def __init__(self):
        self.desk = Desk()

    def ask(self, do, **words):
        answer = json.loads(json.dumps(self.desk.answer({"do": do, **words}), allow_nan=False))
        if "refused" in answer:
            raise SettingError(*answer["refused"])
        if "failed" in answer:
            raise WorkerError(answer["failed"])
        return answer["ok"]


def made_up(monkeypatch, **faults):
    """Make every contender take a microsecond per epoch; those in `faults` fail where it says."""
    asked = []

    def prepare(name, case, size):
        def turn(epochs):
            asked.append(name)
            if faults.get(name) == "later" and asked.count(name) > 3:
                raise FAULT
            return Timed(1e-6 * epochs, size.runs * epochs)

        if faults.get(name) == "at once":
            raise FAULT
        outcome = Outcome(size.check_runs, size.epochs, 0.5, 1.0)
        return Contender(size.runs, size.epochs, False, 1.0, turn, lambda: outcome)

    monkeypatch.setattr(contenders, "prepare", prepare)
    return asked


def case_of(roles, rounds=4, case="xor"):
    workers = {role: Local() for role in (DEFAULT, ALL_CORES)}
    budget = TINY._replace(rounds=rounds)
    return measure.measure_case(workers, roles, case, SMALL, budget, lambda line: None)


def test_a_contender_that_fails_loses_nothing_of_the_others(monkeypatch, tiny, capsys):
    asked = made_up(monkeypatch, unrolled="at once", matrix="later")
    names = ("numpy-batched", "idiom", "unrolled", "matrix")
    case = case_of(dict.fromkeys(names, DEFAULT))
    entries = {entry["name"]: entry for entry in case["contenders"]}
    assert tuple(entries) == names
    assert [entry["failed"] for entry in entries.values()] == [None, None, REASON, REASON]
    assert [len(entries[name]["rates"]) for name in names[:2]] == [4, 4]
    assert asked.count("matrix") == 4, "not again in the last round"
    record = tiny[1] | {"cases": [case]}
    assert failures(record) == [f"xor: unrolled: {REASON}", f"xor: matrix: {REASON}"]
    assert disagreements(record) == []
    text = render(record)
    assert re.search("^  matrix +failed$", text, re.MULTILINE)
    failed = f"FAILED\n  xor: unrolled: {REASON}\n  xor: matrix: {REASON}"
    assert failed in text.split("\n\n")
    monkeypatch.setattr(bpjax.cli.bench, "_measure", lambda *words: record)
    assert main(["bench"]) == 1
    assert capsys.readouterr().out == f"{text}\n"


def test_without_the_idiom_there_is_no_ratio(monkeypatch, tiny):
    made_up(monkeypatch, idiom="at once")
    case = case_of(dict.fromkeys(("idiom", "matrix"), DEFAULT))
    entry = case["contenders"][1]
    assert (entry["ratio"], entry["agrees"]) == (None, None)
    record = tiny[1] | {"cases": [case]}
    assert disagreements(record) == []
    assert re.search(r"^  matrix +[\d.]+ +[\d.]+ to ", render(record), re.MULTILINE)


def test_a_case_and_a_measurement_that_fail_are_kept_as_such(monkeypatch, tiny):
    def fail(*words, **more):
        raise FAULT

    monkeypatch.setattr(ours, "raw_plan", fail)
    case = case_of({"idiom": DEFAULT})
    useful = measure.measure_useful({ALL_CORES: Local()}, TINY, lambda line: None)
    record = tiny[1] | {"cases": [case], "useful": useful}
    assert failures(record) == [f"xor: {REASON}", f"xor to its outcomes: {REASON}"]
    assert "\n\nxor: failed\n\n" in render(record)


def test_a_turn_in_a_new_worker_prepares_its_contender_again(monkeypatch):
    asked, worker = made_up(monkeypatch), Local()
    words = {"contender": "matrix", "case": "xor", "size": list(SMALL)}
    assert worker.ask("turn", epochs=3, **words)["seed_epochs"] == 3 * SMALL.runs
    assert len(asked) == 2, "one to warm up"
    worker.ask("turn", epochs=3, **words)
    assert len(asked) == 3


def test_a_worker_says_whether_it_still_has_its_device(monkeypatch):
    made_up(monkeypatch, matrix="at once")
    request = {"do": "prepare", "contender": "matrix", "case": "xor", "size": list(SMALL)}
    assert Desk().answer(request) == {"failed": REASON, "well": True}

    def gone(*words):
        raise FAULT

    monkeypatch.setattr(jax, "block_until_ready", gone)
    assert Desk().answer(request) == {"failed": REASON, "well": False}


def with_faults(faults):
    """Return an `ask` that fails where `faults` has the number of lanes, and what was asked."""
    asked = []

    def ask(role, do, contender, lanes, **words):
        asked.append(lanes)
        if lanes in faults:
            raise WorkerError(faults[lanes])
        return {"median": 1.0, "min": 1.0, "max": 1.0}

    return ask, asked


@pytest.mark.parametrize(
    ("faults", "failed", "left_out"),
    [
        ({100: REASON}, [100], [1000, 10_000]),
        ({100: "it is broken"}, [100], []),
        (dict.fromkeys((10, 100, 1000, 10_000), "it is broken"), [10, 100], [1000, 10_000]),
    ],
)
def test_after_a_fault_more_lanes_are_tried_where_that_makes_sense(
    monkeypatch, faults, failed, left_out
):
    monkeypatch.setattr(gpu, "CONTENDERS", ("fused",))
    ask, asked = with_faults(faults)
    lanes = (10, 100, 1000, 10_000)
    rows = gpu.measure_lanes(ask, BASELINES, TINY, 2.0, lambda line: None, lanes)
    assert [row["lanes"] for row in rows] == list(lanes)
    assert [row["lanes"] for row in rows if row["failed"]] == failed
    assert [row["lanes"] for row in rows if row["refused"] == gpu.LEFT_OUT] == left_out
    assert asked == [many for many in lanes if many not in left_out]
    assert rows[-1].get("share_of_bound") == (None if left_out else 0.5)


def test_where_the_kernel_fails_another_implementation_makes_the_sweeps():
    def ask(role, do, seeds, implementation):
        if implementation == "fused" and seeds > 20:
            raise WorkerError("it is broken")
        return {"seeds": seeds, "seconds": 1.0, "implementation": implementation}

    rows = gpu.measure_sweeps(ask, ["fused", "auto"], lambda line: None, seeds=(20, 40, 80))
    made = [(row["seeds"], row["implementation"], row.get("failed")) for row in rows]
    assert made == [
        (20, "fused", None),
        (40, "fused", "it is broken"),
        (40, "auto", None),
        (80, "auto", None),
    ]
    nothing = gpu.measure_sweeps(ask, ["fused"], lambda line: None, seeds=(40, 80))
    assert gpu.billion(nothing) is None


def test_a_plan_that_falls_back_is_not_measured_under_another_name(monkeypatch):
    plan = Namespace(fallback="cannot be fused here: it is too large", implementation="matrix")
    monkeypatch.setattr(ours, "make_plan", lambda *words, **settings: plan)
    with pytest.raises(SettingError, match="`implementation` cannot be fused here: it is too la"):
        ours.raw_plan(case_task("xor"), "fused", 3)


def test_on_a_gpu_lanes_are_refilled_many_times(monkeypatch):
    asked = []

    def useful(task, seeds, max_epochs, refill, block_size):
        asked.append(seeds)
        made = {"seconds": 1.0, "seed_epochs": seeds, "occupancy": 0.5, "implementation": "fused"}
        return made | {"converged": 1.0, "nonfinite": 0.0}

    monkeypatch.setattr(ours, "useful", useful)
    workers = {ALL_CORES: Local()}
    lanes = workers[ALL_CORES].ask("describe", case="xor", epochs=1)["lanes"]
    made = measure.measure_useful(workers, TINY, print, measure.USEFUL_BLOCKS)
    assert made["seeds"] == 4 * lanes == asked[-1]
    assert made["implementation"] == "fused"
    assert measure.measure_useful(workers, TINY, print)["seeds"] == TINY.useful_seeds


def test_a_gpu_is_given_the_contenders_that_say_something_there():
    hello = {"implementations": ["matrix", "another"]}
    there = measure.contenders(hello, "gpu")
    assert list(there) == ["numpy-batched", "idiom", "python-loop", "matrix", "another"]
    assert list(measure.contenders(hello, "cpu")) == [*BASELINES, "matrix", "another"]
    assert GPU_CASES.keys() == CASES.keys()


@pytest.mark.parametrize("name", ["record.json", "record.png"])
def test_the_figures_are_beside_the_record(monkeypatch, tiny, tmp_path, capsys, name):
    row = {"name": "fused", "lanes": 8, "refused": None, "failed": None}
    row |= {"median": 2e6, "min": 1e6, "max": 3e6}
    record = tiny[1] | {"gpu": {"bound": None, "lanes": [row], "sweeps": [], "billion": None}}
    monkeypatch.setattr(bpjax.cli.bench, "_measure", lambda *words: record)
    file, bare = tmp_path / name, name.removesuffix(".json")
    assert main(["bench", "--suite", "gpu", "--json", str(file), "--no-figures"]) == 0
    assert list(tmp_path.iterdir()) == [file]
    assert main(["bench", "--suite", "gpu", "--json", str(file)]) == 0
    drawn = [f"{bare}{part}{end}" for part in ("", "-lanes") for end in (".png", ".svg")]
    assert {path.name for path in tmp_path.iterdir()} == {name, *drawn}
    assert json.loads(file.read_text()) == record
    rates, over_lanes = (
        f"figure: {tmp_path / a}, {tmp_path / b}\n" for a, b in (drawn[:2], drawn[2:])
    )
    assert capsys.readouterr().out.endswith(f"record: {file}\n{rates}{over_lanes}")


def test_a_worker_that_dies_fails_the_command(capsys, monkeypatch):
    def die(*words, **more):
        raise WorkerError("the default worker was ended by signal 9 before it had answered: so")

    monkeypatch.setattr(bpjax.cli.bench, "bench", die)
    assert main(["bench"]) == 1
    assert capsys.readouterr().err == (
        "bpjax: the default worker was ended by signal 9 before it had answered: so\n"
    )
