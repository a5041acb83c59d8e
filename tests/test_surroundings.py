"""Whatever JAX, XLA and the CPU are: a run keeps its bits, or says that it need not (P14, P19)."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import bpjax
from bpjax import surroundings
from bpjax.params import flatten_params
from bpjax.results.identity import as_stored
from bpjax.results.schema import IDENTITY, fault_of
from bpjax.surroundings import HARMLESS, PINNED, cpu_kind, kind_of, pinned, recorded, xla_flags
from bpjax.sweeps.devices import SMALL_LOOP_FLAG, use_all_cpu_cores, xla_bridge
from bpjax.sweeps.host_loop import environment, run_plan
from bpjax.sweeps.planning import make_plan
from bpjax.tasks import xor

ROOT = Path(bpjax.__file__).parents[1]
MOVERS = {"jax_threefry_partitionable": False, "jax_random_seed_offset": 1}
"""Settings that move every draw of JAX's that is not held."""
HINDRANCES = {
    "jax_disable_jit": True,
    "jax_debug_nans": True,
    "jax_debug_infs": True,
    "jax_error_checking_behavior_nan": "raise",
}
"""Settings that change or stop a program that is not held."""
FLAGS = "--xla_cpu_enable_fast_math=true --xla_dump_to=/x"


@contextlib.contextmanager
def set_to(settings):
    before = {name: jax.config.values[name] for name in settings}
    try:
        for name, value in settings.items():
            jax.config.update(name, value)
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)


def weights(draw=bpjax.init_params, key=bpjax.run_key):
    return np.asarray(flatten_params(xor().network, draw(xor().network, key(7), 0.3)))


def table():
    jax.clear_caches()
    found = bpjax.sweep(xor(), 20, max_epochs=150, block_size=8, keep_weights=True)
    return [found[name].tobytes() for name in ("status", "epochs", "loss", "weights")]


def test_every_setting_of_this_jax_is_held_or_known_to_move_nothing():
    settings = set(jax.config.values)
    assert settings <= PINNED.keys() | HARMLESS, "of these nobody knows; they are recorded"
    assert not PINNED.keys() & HARMLESS


@pytest.mark.parametrize("name", MOVERS)
def test_initial_weights_do_not_move_where_bare_draws_do(name):
    bare = bpjax.init_params.__wrapped__, bpjax.run_key.__wrapped__
    ours, theirs = weights(), weights(*bare)
    np.testing.assert_array_equal(ours, theirs)
    with set_to({name: MOVERS[name]}):
        np.testing.assert_array_equal(weights(), ours)
        assert (weights(*bare) != theirs).any()


def test_a_sweep_keeps_its_bits_in_spite_of_settings_and_its_identity_too():
    plan = make_plan(xor(), 20)
    before, identity = table(), plan.identity()
    with set_to(MOVERS | HINDRANCES):
        assert table() == before
        assert plan.identity() == identity
    jax.clear_caches()


def test_all_that_is_held_is_put_back():
    before = dict(jax.config.values)
    others = {"jax_disable_most_optimizations": True, **MOVERS, **HINDRANCES}
    with set_to(others):
        with contextlib.suppress(ZeroDivisionError), pinned("float64"):
            held = jax.config.values
            _ = 1 / 0
        assert all(held[name] == PINNED[name] for name in others)
        assert held["jax_enable_x64"]
        assert {name: jax.config.values[name] for name in others} == others
    assert jax.config.values == before


def test_a_setting_that_nobody_knows_is_recorded(monkeypatch):
    monkeypatch.setattr(surroundings, "HARMLESS", HARMLESS - {"jax_log_compiles"})
    assert recorded()["jax_settings"] == {"jax_log_compiles": "False"}
    assert environment()["jax_settings"] == {"jax_log_compiles": "False"}
    with jax.log_compiles(True):
        assert recorded()["jax_settings"] == {"jax_log_compiles": "True"}
    identity = as_stored(make_plan(xor(), 5).identity())
    assert fault_of(identity, IDENTITY, "identity") is None


# ---- flags --------------------------------------------------------------------------------------


def test_flags_that_move_nothing_are_left_out(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", f"--xla_force_host_platform_device_count=3  {FLAGS}")
    assert xla_flags() == "--xla_cpu_enable_fast_math=true"
    assert make_plan(xor(), 5).identity()["xla_flags"] == "--xla_cpu_enable_fast_math=true"


def test_a_file_of_flags_counts_by_what_it_holds(monkeypatch, tmp_path):
    (tmp_path / "flags").write_text("--xla_cpu_max_isa=AVX\n'--xla_cpu_ftz=false'\n")
    monkeypatch.setenv("XLA_FLAGS", str(tmp_path / "flags"))
    assert xla_flags() == "--xla_cpu_max_isa=AVX --xla_cpu_ftz=false"
    monkeypatch.setattr(xla_bridge, "backends_are_initialized", lambda: False)
    with set_to({"jax_num_cpu_devices": 3}):
        use_all_cpu_cores()
    given = f"--xla_cpu_max_isa=AVX --xla_cpu_ftz=false {SMALL_LOOP_FLAG}"
    assert os.environ["XLA_FLAGS"] == given


# ---- the CPU ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("machine", "features", "kind"),
    [
        ("x86_64", "sse4.2 avx avx2 fma avx512f", "x86_64, AVX-512, FMA"),
        ("x86_64", "sse4.2 avx avx2 fma", "x86_64, AVX2, FMA"),
        ("x86_64", "sse4.2 avx", "x86_64, AVX"),
        ("x86_64", "", "x86_64"),
        ("aarch64", "neon sve", "aarch64, SVE"),
        ("arm64", "", "arm64, NEON"),
    ],
)
def test_a_cpu_is_told_by_what_moves_bits(machine, features, kind):
    assert kind_of(machine, set(features.split())) == kind


def test_compiler_and_system_agree_on_this_cpu():
    by_the_compiler = surroundings._features_by_the_compiler()
    if by_the_compiler is None:
        pytest.skip("this JAX does not tell")
    machine = cpu_kind().split(", ")[0]
    assert kind_of(machine, surroundings._features_by_the_system()) == cpu_kind()


def test_a_flag_that_takes_instructions_away_counts(monkeypatch):
    monkeypatch.setattr(surroundings, "_features_by_the_compiler", lambda: None)
    monkeypatch.setattr(
        surroundings, "_features_by_the_system", lambda: {"sse4.2", "avx", "avx2", "fma"}
    )
    monkeypatch.setattr(surroundings.platform, "machine", lambda: "x86_64")
    for limit, kind in (("SSE4_2", "SSE4.2"), ("AVX", "AVX"), ("AVX2", "AVX2, FMA")):
        monkeypatch.setenv("XLA_FLAGS", f"--xla_cpu_max_isa={limit}")
        assert cpu_kind.__wrapped__() == f"x86_64, {kind}"


def test_a_sweep_is_not_continued_on_another_kind_of_cpu(monkeypatch, tmp_path):
    plan = make_plan(xor(), 3, max_epochs=5, block_size=8)
    run_plan(plan, tmp_path / "sweep")
    monkeypatch.setattr(surroundings, "cpu_kind", lambda: "x86_64, SSE4.2")
    fault = f'`cpu` was "{cpu_kind()}", is now "x86_64, SSE4.2"'
    with pytest.raises(bpjax.ResultsError, match=fault):
        run_plan(plan, tmp_path / "sweep")


def test_a_program_compiled_for_another_kind_of_cpu_is_not_loaded(tmp_path):
    """JAX's key of its cache folder holds what the compiler knows of the CPU."""
    program = (
        "import jax; from jax._src.lib import xla_client;"
        "print(xla_client.get_topology_for_devices(jax.devices()).fingerprint())"
    )
    keys = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"XLA_FLAGS": flags},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for flags in ("", "--xla_cpu_max_isa=SSE4_2")
    }
    assert len(keys) == (1 if "avx" not in surroundings._features_by_the_system() else 2)


# ---- the command line ---------------------------------------------------------------------------


def swept(tmp_path, **variables):
    words = ["sweep", "xor", "--seeds", "4", "--max-epochs", "5", "--no-figures", "--out", "sweep"]
    return subprocess.run(
        [sys.executable, "-m", "bpjax.cli", *words],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | variables,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"XLA_FLAGS": "--foo=1"}, "XLA_FLAGS must hold flags that XLA takes (Unknown flag"),
        ({"XLA_FLAGS": "/no/file"}, "XLA_FLAGS must hold flags, or name a file that does, got"),
        ({"JAX_PLATFORMS": "cuda"}, "JAX does not start with JAX_PLATFORMS=cuda: "),
        ({"JAX_ENABLE_X64": "perhaps"}, "JAX does not start with JAX_ENABLE_X64=perhaps: invalid"),
    ],
    ids=str,
)
def test_what_jax_cannot_start_with_is_said_in_one_sentence(tmp_path, variables, sentence):
    done = swept(tmp_path, **variables)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"bpjax: {sentence}")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize(
    "command", ["sweep xor --seeds 4 --out sweep", "check xor", "bench --quick"]
)
def test_too_few_descriptors_for_what_a_command_starts_are_said_in_one_sentence(tmp_path, command):
    shell = 'ulimit -n 8; exec "$@"'  # another process tries the flags
    done = subprocess.run(
        ["sh", "-c", shell, "sh", sys.executable, "-m", "bpjax.cli", *command.split()],
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=true"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr == "bpjax: the system gives this process no more: Too many open files.\n"
    assert not (tmp_path / "sweep").exists()


def test_what_would_stop_a_program_or_its_cache_does_not(tmp_path):
    (tmp_path / "file").write_text("")
    hindered = {"JAX_DEBUG_NANS": "1", "JAX_DISABLE_JIT": "1", "JAX_TRANSFER_GUARD": "disallow"}
    done = swept(tmp_path, XDG_CACHE_HOME=str(tmp_path / "file"), **hindered)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_every_setting_flag_and_variable_in_full():
    from experiments.trust.surroundings import measure

    found = measure(full=True)
    assert found["failed"] == 0, found["words"]
    assert found["tried"] > 100
