"""P19: whatever JAX, XLA and the machine are set to, a run keeps its bits or says that it does not.

Every setting of JAX, and every flag, variable and property of the machine that could matter, is
tried: either a sweep gets another fingerprint than by default, so that a resume refuses to mix, or
tables of exclusive-or and an encoder net are equal to the default's bit for bit. The other way
round, each is tried on the initial weights that JAX draws when nothing is held, to show which ones
would have moved them.

    python -m experiments.trust.surroundings
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

ROOT = Path(__file__).parents[2]

FLAGS = (
    "--xla_cpu_max_isa=SSE4_2",
    "--xla_cpu_enable_fast_math=true",
    "--xla_cpu_max_isa=AVX",
    "--xla_cpu_max_isa=AVX2",
    "--xla_cpu_prefer_vector_width=128",
    "--xla_cpu_prefer_vector_width=512",
    "--xla_cpu_ftz=false",
    "--xla_cpu_enable_platform_dependent_math=false",
    "--xla_cpu_enable_fast_min_max=false",
    "--xla_cpu_multi_thread_eigen=false",
    "--xla_cpu_use_xnnpack=false",
    "--xla_cpu_opt_preset=CPU_OPT_PRESET_FAST_COMPILE",
    "--xla_cpu_parallel_codegen_split_count=1",
    "--xla_backend_optimization_level=0",
    "--xla_llvm_disable_expensive_passes=true",
    "--xla_disable_hlo_passes=fusion,cpu-parallel-task-assigner",
    "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=1048576",
    "--xla_force_host_platform_device_count=3",
)
VARIABLES = (
    {"JAX_THREEFRY_PARTITIONABLE": "0"},
    {"JAX_RANDOM_SEED_OFFSET": "1"},
    {"JAX_DEFAULT_PRNG_IMPL": "rbg"},
    {"JAX_ENABLE_X64": "1"},
    {"JAX_DISABLE_JIT": "1"},
    {"JAX_DEBUG_NANS": "1"},
    {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},
    {"JAX_NUMPY_DTYPE_PROMOTION": "strict", "JAX_NUMPY_RANK_PROMOTION": "raise"},
    {"JAX_DEFAULT_MATMUL_PRECISION": "bfloat16"},
    {"NPROC": "1", "OMP_NUM_THREADS": "1"},
    {"NPROC": "7", "OMP_NUM_THREADS": "7"},
    {"PYTHONHASHSEED": "5"},
    {"LC_ALL": "C"},
)
WHERE_IT_RUNS = (
    "jax_backend_target",
    "jax_cpu_collectives_implementation",
    "jax_cpu_get_global_topology_timeout_minutes",
    "jax_cpu_get_local_topology_timeout_minutes",
    "jax_cuda_visible_devices",
    "jax_default_device",
    "jax_dump_ir_to",
    "jax_mock_gpu_topology",
    "jax_num_cpu_devices",
    "jax_oneapi_visible_devices",
    "jax_platform_name",
    "jax_platforms",
    "jax_rocm_visible_devices",
    "jax_xla_backend",
)
"""Settings of JAX that say on which devices, from where, or that must be set before they start."""
CHOICES: Mapping[str, Any] = {
    "jax_default_matmul_precision": "bfloat16",
    "jax_default_prng_impl": "rbg",
    "jax_error_checking_behavior_divide": "raise",
    "jax_error_checking_behavior_nan": "raise",
    "jax_error_checking_behavior_oob": "raise",
    "jax_explicit_x64_dtypes": "error",
    "jax_legacy_prng_key": "error",
    "jax_memory_fitting_level": "O0",
    "jax_numpy_dtype_promotion": "strict",
    "jax_numpy_rank_promotion": "raise",
    "jax_optimization_level": "O0",
    "jax_traceback_filtering": "off",
    "jax_transfer_guard": "disallow",
    "jax_transfer_guard_device_to_device": "disallow",
    "jax_transfer_guard_device_to_host": "disallow",
    "jax_transfer_guard_host_to_device": "disallow",
    "jax_use_hlo_logistic_lowering": True,
    "jax_array_garbage_collection_guard": "log",
    "jax_send_traceback_to_runtime": "full",
}
"""What settings of JAX are tried at that are neither a truth value nor a number."""
TOGETHER = 20
"""So many settings that no fingerprint tells are changed at once."""
QUICK = (
    "jax_threefry_partitionable",
    "jax_random_seed_offset",
    "jax_default_prng_impl",
    "jax_disable_jit",
    "jax_debug_nans",
    "jax_disable_most_optimizations",
)


# ---- in a process of its own ---------------------------------------------------------------------


def told_and_drawn() -> dict[str, str]:
    """Return the fingerprint of a sweep and a digest of bare draws, as JAX is set."""
    import numpy as np

    import bpjax
    from bpjax.params import flatten_params
    from bpjax.results.identity import fingerprint
    from bpjax.sweeps.planning import make_plan

    task = bpjax.tasks.xor()
    told, network = fingerprint(make_plan(task, 64, keep_weights=True).identity()), task.network
    try:  # without what holds JAX's settings
        key = bpjax.run_key.__wrapped__(7)  # type: ignore[attr-defined]
        params = bpjax.init_params.__wrapped__(network, key, 0.3)  # type: ignore[attr-defined]
        bare = np.asarray(flatten_params(network, params)).tobytes()
    except Exception as fault:
        bare = f"{type(fault).__name__}".encode()
    return {"fingerprint": told, "bare": _digest(bare)}


def swept() -> dict[str, str]:
    """Sweep as JAX is set and return a digest of the tables."""
    import bpjax

    tables = []
    for task, settings in (
        (bpjax.tasks.xor(), {"seeds": 64}),
        (bpjax.tasks.encoder(), {"seeds": 8, "max_epochs": 40, "loss_below": 1e-9}),
    ):
        found = bpjax.sweep(task, keep_weights=True, **settings)
        tables += [found[name].tobytes() for name in ("status", "epochs", "loss", "weights")]
    return {"table": _digest(*tables)}


def as_started(default: str) -> dict[str, str]:
    """Return what is found as this process was started; no tables if the fingerprint is another.

    Args:
      default: the fingerprint by default; "" makes the tables in any case.
    """
    told = told_and_drawn()
    return told if default not in ("", told["fingerprint"]) else told | swept()


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


def tried_here(names: Sequence[str], default: Mapping[str, str]) -> dict[str, Any]:
    """Try other values of settings of JAX in this process; each is put back.

    Each is tried alone on the fingerprint and on bare draws. Tables take seconds, so they are made
    with several settings changed together that the fingerprint does not tell; those of a group
    that moves a bit, or cannot be swept with, are taken one by one.

    Args:
      names: of the settings.
      default: what is found where nothing is changed.
    """
    import jax

    settings = jax.config.values  # type: ignore[attr-defined]
    others = {name: _another(name, settings[name]) for name in names}
    found: dict[str, Any] = {
        name: {"not_tried": "says where it runs, or takes a name of something"}
        if other is None
        else {"value": str(other), **_tried({name: other}, told_and_drawn)}
        for name, other in others.items()
    }
    untold = [name for name in names if found[name].get("fingerprint") == default["fingerprint"]]
    for first in range(0, len(untold), TOGETHER):
        together = {name: others[name] for name in untold[first : first + TOGETHER]}
        as_one = _tried(together, swept)
        for name, other in together.items():
            alone = (
                as_one if as_one == {"table": default["table"]} else _tried({name: other}, swept)
            )
            found[name] |= alone
    return found


def _tried(values: Mapping[str, Any], what: Callable[[], dict[str, str]]) -> dict[str, str]:
    """Return what is found with some settings of JAX changed, or why nothing is."""
    import jax

    before = {name: jax.config.values[name] for name in values}  # type: ignore[attr-defined]
    try:
        for name, value in values.items():
            jax.config.update(name, value)
        return what()
    except Exception as fault:
        return {"refused": f"{type(fault).__name__}: {fault}"[:200]}
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
        jax.clear_caches()


def _another(name: str, value: Any) -> Any:
    """Return another value than a setting has; None if there is none to try."""
    if name in WHERE_IT_RUNS:
        return None
    if name in CHOICES:
        return CHOICES[name]
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int | float) else None


# ---- and what they found -------------------------------------------------------------------------


def measure(full: bool) -> dict[str, Any]:
    """Try settings, flags and variables; a few of them unless `full`.

    Returns:
      `tried`, `failed` (other bits under the same fingerprint, or a program that did not run),
      `words`, and `found`: a verdict for each.
    """
    names = _settings_there_are() if full else list(QUICK)
    settings = _in_a_process(names)
    default = settings.pop("default")
    if "refused" in default:
        raise RuntimeError(f"nothing can be swept here: {default['refused']}")
    found = {name: {**entry, "kind": "setting"} for name, entry in settings.items()}
    untold = default["fingerprint"]
    flags = FLAGS if full else FLAGS[:2]
    surroundings = [{"XLA_FLAGS": flag} for flag in flags]
    surroundings += list(VARIABLES) if full else []
    for variables in surroundings:
        name = " ".join(f"{key}={value}" for key, value in variables.items())
        found[name] = {**_in_a_process([], variables, untold)["default"], "kind": "environment"}
    if full:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "flags").write_text(FLAGS[0])
            at = {"XLA_FLAGS": f"{folder}/flags"}
            found["XLA_FLAGS=FILE"] = {
                **_in_a_process([], at, untold)["default"],
                "kind": "environment",
            }
        alone = _in_a_process([], {}, untold, one_core=True)["default"]
        found["one core"] = {**alone, "kind": "machine"}
    for entry in found.values():
        entry["verdict"] = verdict(default, entry)
    tried = [entry for entry in found.values() if "not_tried" not in entry]
    failed = [name for name, entry in found.items() if entry["verdict"].startswith("FAILED")]
    told = sum(entry["verdict"] == "recorded" for entry in tried)
    bare = [entry for entry in tried if entry.get("bare", default["bare"]) != default["bare"]]
    words = (
        f"{len(tried)} settings, flags and variables tried: the fingerprint tells {told}, and the "
        f"other {len(tried) - told} move no bit; {len(bare)} would have moved the draws that JAX "
        "makes by itself."
    )
    if failed:
        words = f"Of {len(tried)} settings {len(failed)} failed: {', '.join(failed)}."
    return {"tried": len(tried), "failed": len(failed), "words": words, "found": found}


def verdict(default: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    """Return what became of a sweep, beside that of the default surroundings.

    Example:
      >>> here = {"table": "1", "fingerprint": "a"}
      >>> verdict(here, here), verdict(here, {"fingerprint": "b"})
      ('same bits', 'recorded')
      >>> verdict(here, here | {"table": "2"})
      'FAILED: other bits under one fingerprint'
    """
    if "not_tried" in entry:
        return f"not tried: {entry['not_tried']}"
    if "refused" in entry:
        return f"FAILED: {entry['refused']}"
    if entry["fingerprint"] != default["fingerprint"]:
        return "recorded"
    same_bits = entry["table"] == default["table"]
    return "same bits" if same_bits else "FAILED: other bits under one fingerprint"


# Not `preexec_fn`: it would fork this process, whose JAX has threads.
ON_ONE_CORE = """
import os, sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def _settings_there_are() -> list[str]:
    import jax

    return sorted(jax.config.values)  # type: ignore[attr-defined]


def _in_a_process(
    names: Sequence[str],
    variables: Mapping[str, str] = MappingProxyType({}),
    untold: str = "",
    one_core: bool = False,
) -> dict[str, Any]:
    """Return what a fresh process finds as it is started and at other settings of JAX.

    Args:
      names: of settings to change in it, one after another.
      variables: of its environment.
      untold: the only fingerprint with which tables are made; "" for any.
      one_core: whether it may use but one.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("JAX_", "XLA_"))}
    environment = kept | {"PYTHONPATH": str(ROOT)} | dict(variables)
    words = ["-m", "experiments.trust.surroundings", "--here", untold, *names]
    pinned = one_core and hasattr(os, "sched_setaffinity")
    done = subprocess.run(
        [sys.executable, *(("-c", ON_ONE_CORE) if pinned else ()), *words],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        said = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
        return {"default": {"refused": said[:200]}}
    return json.loads(lines[-1])


def main(words: Sequence[str]) -> None:
    """Print what was found as JSON; with `--here NAME ...`, in this process."""
    if words and words[0] == "--here":
        default = as_started(words[1])
        print(json.dumps({"default": default, **tried_here(words[2:], default)}))
        return
    print(json.dumps(measure(full="--quick" not in words), indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
