"""Memory is asked for before it is taken (trust P11): what is needed, and what there is."""

import os
import subprocess
import sys
import time
from pathlib import Path

import jax
import pytest

import bpjax
from bpjax.errors import SettingError
from bpjax.recording import Recording
from bpjax.results.chunks import as_ranges
from bpjax.sweeps import memory
from bpjax.sweeps.crew import Crew
from bpjax.sweeps.devices import lane_mesh
from bpjax.sweeps.host_loop import run_plan
from bpjax.sweeps.planning import make_plan
from bpjax.tasks import TASKS, encoder, make_task, xor
from bpjax.training import check_history, plan_run

SOURCE = Path(bpjax.__file__).parents[1]
GIGABYTE = 10**9
HUGE = 10**9


@pytest.fixture
def little(monkeypatch):
    """Have one gigabyte free, whatever the machine."""
    monkeypatch.setattr(memory, "_of_machine", lambda: iter([GIGABYTE]))


# ---- what is needed ------------------------------------------------------------------------------

UNBOUNDED = [name for name in TASKS if name in ("xor", "symmetry", "parity", "encoder")]
"""Tasks whose hidden layer may be of any size."""


@pytest.mark.parametrize("name", UNBOUNDED)
def test_a_huge_net_is_refused_by_the_name_of_its_option_before_anything_is_made(name, little):
    began = time.monotonic()
    for plan in (make_plan, plan_run):
        with pytest.raises(SettingError, match=r"`hidden` is too large: .* free, got 1000000000"):
            plan(make_task(name, hidden=HUGE), 5)
    assert time.monotonic() - began < 2


def test_no_task_has_an_option_of_any_size(little):
    for name in TASKS:
        for option, value in make_task(name).options.items():
            if type(value) is int:
                with pytest.raises(SettingError, match=option):
                    make_plan(make_task(name, **{option: HUGE}), 5)


def test_no_lane_is_made_before_the_compiler_says_that_it_fits(monkeypatch):
    made = []
    monkeypatch.setattr(memory, "bytes_needed", lambda *_: 10**15)
    monkeypatch.setattr("bpjax.sweeps.scheduler.empty_pool", lambda *about: made.append(about))
    with pytest.raises(SettingError, match="is too large: training needs at least 1,000,000,000"):
        run_plan(make_plan(xor(), 5))
    assert not made


@pytest.mark.parametrize(
    ("hidden", "settings"), [(3, {"precision": "float64"}), (300, {"keep_weights": True})]
)
def test_the_first_estimate_is_below_the_compilers(hidden, settings):
    plan = make_plan(encoder(hidden=hidden), 10, max_epochs=100, **settings)
    with jax.enable_x64(plan.precision == "float64"):
        crew = Crew(plan, *plan.groups(), lane_mesh(1))
        crew.begin(as_ranges([(0, 10)]))
        exactly = memory.bytes_needed(crew.compiled, crew.next_call())
    estimate = memory.at_least(plan, plan.tasks[0])
    assert exactly / 6 < estimate < exactly


def test_a_long_histogram_is_refused_by_the_name_of_its_cap(little):
    settings = {"summary_only": True, "max_epochs": 10_000_000}
    with pytest.raises(SettingError, match=r"`max_epochs` is too large: .*, got 10000000\."):
        make_plan(xor(), 5, **settings)


def test_a_block_that_was_asked_for_is_what_is_too_large(little):
    with pytest.raises(SettingError, match=r"`block_size` is too large"):
        make_plan(encoder(hidden=1000), 5, block_size=2**20)


def test_a_table_of_all_seeds_is_refused_before_anything_is_trained(little, tmp_path):
    with pytest.raises(SettingError, match="`seeds` is too large: the per-run table needs"):
        bpjax.sweep(xor(), 2**32, out=tmp_path / "new")
    assert not (tmp_path / "new").exists()
    memory.check_rows(make_plan(xor(), 2**32, shard=(1, 10_000)))
    memory.check_rows(make_plan(xor(), 2**32, summary_only=True))


def test_a_history_that_may_outgrow_the_memory_is_refused(little):
    plan = plan_run(xor(), 0, max_epochs=HUGE)
    with pytest.raises(SettingError, match=r"`max_epochs` must be at most [\d,]+ here: with an"):
        check_history(plan, Recording())
    check_history(plan, Recording(10_000))
    with pytest.raises(SettingError, match="and all weights every 1000000 the"):
        check_history(plan_run(encoder(hidden=10_000), 0, max_epochs=HUGE), Recording(10**6, 10**6))


def test_a_grid_and_variants_together_have_a_limit():
    tasks = [xor(hidden=k) for k in range(1, 102)]
    with pytest.raises(SettingError, match="`grid` must have at most 10000 points, got 10100"):
        make_plan(tasks, 1, momentum=[k / 100 for k in range(100)])


# ---- what there is -------------------------------------------------------------------------------


def write(root, files):
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)


def test_control_groups_of_the_second_version_and_those_above_count(tmp_path):
    write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/outer/inner\n",
            "sys/fs/cgroup/outer/memory.max": "5000\n",
            "sys/fs/cgroup/outer/memory.current": "4000\n",
            "sys/fs/cgroup/outer/memory.stat": "anon 10\ninactive_file 300\n",
            "sys/fs/cgroup/outer/inner/memory.max": "max\n",
            "sys/fs/cgroup/outer/inner/memory.current": "100\n",
        },
    )
    assert list(memory._of_control_groups(tmp_path)) == [1300]


def test_control_groups_of_the_first_version_count_in_a_container(tmp_path):
    """The path is that of the host, and the group itself is what is mounted."""
    write(
        tmp_path,
        {
            "proc/self/cgroup": "5:cpu:/docker/ab\n4:memory:/docker/ab\n0::/docker/ab\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9000",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "2000",
            "sys/fs/cgroup/memory/memory.stat": "inactive_file 7\ntotal_inactive_file 500\n",
        },
    )
    assert list(memory._of_control_groups(tmp_path)) == [7500]


def test_without_control_groups_there_is_no_such_limit(tmp_path):
    assert list(memory._of_control_groups(tmp_path)) == []


def test_the_least_of_all_limits_is_shared_by_the_devices(monkeypatch):
    monkeypatch.setattr(memory, "_of_machine", lambda: iter([5000]))
    monkeypatch.setattr(memory, "_of_control_groups", lambda: iter([9000, 4000]))
    assert memory.bytes_free(2) == 4000 * 0.9 / 2


# ---- the command line under limits ---------------------------------------------------------------


def run(words, address_space):
    """Run a command that may use so many bytes of address space."""
    limited = f'ulimit -v {address_space // 1024}; exec "$@"'
    return subprocess.run(
        ["sh", "-c", limited, "sh", sys.executable, "-m", "bpjax.cli", *words.split()],
        env=os.environ | {"PYTHONPATH": str(SOURCE), "JAX_NUM_CPU_DEVICES": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="others do not limit the address space")
@pytest.mark.parametrize(
    ("words", "gigabytes", "sentence"),
    [
        ("sweep xor --hidden 1000000000", 8, "--hidden is too large: training needs at least"),
        ("sweep xor --seeds 5", 1, "this process may use only 1,000 MB (ulimit -v), and starting"),
    ],
)
def test_what_does_not_fit_costs_one_sentence(words, gigabytes, sentence, tmp_path):
    done = run(f"{words} --out {tmp_path / 'new'}", gigabytes * GIGABYTE)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"bpjax: {sentence}")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("fault", [MemoryError(), RuntimeError("RESOURCE_EXHAUSTED: 9 bytes")])
def test_memory_that_is_missing_after_all_costs_one_sentence(fault, capsys, monkeypatch, tmp_path):
    from bpjax.cli import main

    def missing(*arguments, **others):
        raise fault

    monkeypatch.setattr("bpjax.sweeps.host_loop.run_plan", missing)
    assert main(["sweep", "xor", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("bpjax: there is not enough memory")
