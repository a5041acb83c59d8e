"""Surroundings: JAX's settings, XLA's flags and the CPU, which must not move a run in silence.

A seed means one run whatever a user has set JAX to: the settings that could move a bit of ours, or
keep a program from running, are held at the values of `PINNED` while our programs are traced,
compiled and run. What a program of ours cannot hold is part of what a result says of itself, by
`recorded`: the precision of matrix products that was asked for (`bpjax.precision`), XLA's flags,
the kind of CPU, and any setting of a newer JAX that this list does not know. `HARMLESS` are the
settings that were tried and moved nothing; `experiments.trust.surroundings` tries every one.
"""

import contextlib
import functools
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax

from bpjax.precision import precision_asked

PINNED: Mapping[str, Any] = {
    # Which numbers a key draws.
    "jax_threefry_partitionable": True,
    "jax_threefry_gpu_kernel_lowering": False,
    "jax_random_seed_offset": 0,
    "jax_default_prng_impl": "threefry2x32",
    "jax_enable_custom_prng": False,
    "jax_high_dynamic_range_gumbel": False,
    "jax_accurate_erf_inv": False,
    # What is traced.
    "eager_constant_folding": False,
    "jax_custom_jvp3": False,
    "jax_custom_vjp3": False,
    "jax_disable_jit": False,
    "jax_embedded_constants_max_bytes": 32,
    "jax_remat3": False,
    "jax_remat_barrier_no_cotangents": False,
    "jax_remove_size_one_mesh_axis_from_type": False,
    "jax_scan3": False,
    "jax_softmax_custom_jvp": False,
    "jax_use_direct_linearize": True,
    "jax_use_hlo_logistic_lowering": None,
    "jax_use_simplified_jaxpr_constants": False,
    # How it is compiled.
    "jax_compiler_enable_remat_pass": True,
    "jax_disable_most_optimizations": False,
    "jax_enable_pgle": False,
    "jax_exec_time_optimization_effort": 0.0,
    "jax_memory_fitting_effort": 0.0,
    "jax_memory_fitting_level": "O2",
    "jax_optimization_level": "UNKNOWN",
    "jax_use_shardy_partitioner": True,
    "jax_xla_profile_version": 0,
    # What stops or refuses a program; a run that leaves the finite numbers is an outcome.
    "jax_check_static_indices": False,
    "jax_check_tracer_leaks": False,
    "jax_debug_infs": False,
    "jax_debug_key_reuse": False,
    "jax_debug_nans": False,
    "jax_error_checking_behavior_divide": "ignore",
    "jax_error_checking_behavior_nan": "ignore",
    "jax_error_checking_behavior_oob": "ignore",
    "jax_explicit_x64_dtypes": "warn",
    "jax_no_execution": False,
    "jax_raise_persistent_cache_errors": False,
    "jax_no_tracing": False,
    "jax_thread_guard": False,
    "jax_transfer_guard_device_to_device": "allow",
    "jax_transfer_guard_device_to_host": "allow",
    "jax_transfer_guard_host_to_device": "allow",
}
"""JAX's settings and what our programs hold them at: JAX's own defaults of 0.10 to 0.12. A JAX that
does not have one does without."""

_HARMLESS = """
check_vma jax2tf_associative_scan_reductions jax2tf_default_native_serialization
jax_allow_f16_reductions jax_array_garbage_collection_guard jax_auto_pcast jax_backend_target
jax_bcoo_cusparse_lowering jax_captured_constants_report_frames
jax_captured_constants_warn_bytes jax_check_proxy_envs jax_compilation_cache_check_contents
jax_compilation_cache_dir jax_compilation_cache_expect_pgle
jax_compilation_cache_include_metadata_in_key jax_compilation_cache_max_size
jax_compiler_detailed_logging_min_ops jax_cpu_collectives_implementation
jax_cpu_enable_async_dispatch jax_cpu_get_global_topology_timeout_minutes
jax_cpu_get_local_topology_timeout_minutes jax_cross_host_transfer_socket_address
jax_cross_host_transfer_timeout_seconds jax_cross_host_transfer_transfer_size
jax_cross_host_transport_addresses jax_cuda_visible_devices
jax_debug_leaked_clients_on_clear_backends jax_debug_log_modules jax_default_device
jax_default_matmul_precision jax_disable_bwd_checks jax_disable_vmap_shmap_error
jax_disallow_mesh_context_manager jax_distributed_debug
jax_distributed_verify_secure_credentials jax_dump_ir_modes jax_dump_ir_to jax_enable_checks
jax_enable_compilation_cache jax_enable_preemption_service jax_enable_recoverability
jax_enable_x64 jax_experimental_unsafe_xla_runtime_errors jax_explain_cache_misses
jax_export_calling_convention_version jax_export_deserialize_expired_versions
jax_export_ignore_forward_compatibility jax_force_dcn_cross_host_transfers
jax_hlo_source_file_canonicalization_regex jax_include_debug_info_in_dumps
jax_include_full_tracebacks_in_locations jax_legacy_prng_key jax_log_checkpoint_residuals
jax_log_compiles jax_logging_level jax_mock_gpu_topology jax_mosaic_allow_hlo
jax_mosaic_unzip_debug_locations jax_mtls_ca_file jax_mtls_cert_file jax_mtls_key_file
jax_mtls_peer_uri_prefix jax_mutable_array_checks jax_num_cpu_devices jax_numpy_dtype_promotion
jax_numpy_rank_promotion jax_oneapi_visible_devices jax_pallas_auto_assign_collective_ids
jax_pallas_auto_assign_collective_ids_limit jax_pallas_enable_debug_checks
jax_pallas_poison_buffers jax_pallas_use_mosaic_gpu jax_pallas_verbose_errors
jax_persistent_cache_enable_xla_caches jax_persistent_cache_min_compile_time_secs
jax_persistent_cache_min_entry_size_bytes jax_pgle_aggregation_percentile
jax_pgle_profiling_runs jax_pjrt_client_create_options jax_platform_name jax_platforms
jax_pprint_use_color jax_ragged_dot_use_gpu_pallas_triton_lowering
jax_ragged_dot_use_ragged_dot_instruction jax_raise_on_ppermute_sort_diff jax_refs_to_pins
jax_remove_custom_partitioning_ptr_from_cache_key jax_rocm_visible_devices
jax_send_traceback_to_runtime jax_serialization_version jax_share_binary_between_hosts
jax_share_binary_between_hosts_timeout_ms jax_sort_devices_by_process_index
jax_source_url_schema jax_traceback_filtering jax_traceback_in_locations_limit
jax_tracer_error_num_traceback_frames jax_transfer_guard jax_use_cpp_shard_args
jax_use_emit_pipeline_primitive jax_use_magma jax_use_rgv3 jax_xla_backend
mock_num_gpu_processes
"""
HARMLESS = frozenset(_HARMLESS.split())
"""JAX's settings that move nothing of ours. 64-bit mode is set by the sweep's own precision, and
the precision of matrix products is recorded by itself."""

FLAGS_THAT_MOVE_NOTHING = ("--xla_force_host_platform_device_count", "--xla_dump_")
"""Beginnings of XLA's flags; how many devices there are is no part of a result."""

ACCELERATOR_VARIABLES = (
    "CUBLAS_WORKSPACE_CONFIG",
    "LIBTPU_INIT_ARGS",
    "NVIDIA_TF32_OVERRIDE",
    "TF_CUDNN_DETERMINISTIC",
)
"""What the libraries of accelerators read from the environment. Not measured."""


# ---- what is held --------------------------------------------------------------------------------


@contextlib.contextmanager
def pinned(precision: str | None = None) -> Iterator[None]:
    """Hold JAX's settings at `PINNED`, in this thread, while a program is traced, compiled and run.

    It also serves as a decorator: `@pinned()`.

    Args:
      precision: "float32" or "float64", for 64-bit mode off or on; None leaves it as it is.

    Example:
      >>> with jax.threefry_partitionable(False), pinned():
      ...     jax.config.jax_threefry_partitionable
      True
    """
    holders = jax.config._value_holders  # type: ignore[attr-defined]  # there is no public way
    with contextlib.ExitStack() as stack:
        for name, value in PINNED.items():
            if name in holders:
                stack.enter_context(_held(holders[name], value))
        if precision is not None:
            stack.enter_context(jax.enable_x64(precision == "float64"))
        yield


@contextlib.contextmanager
def _held(holder: Any, value: Any) -> Iterator[None]:
    if callable(holder):  # what JAX itself holds per thread
        with holder(value):
            yield
        return
    before = holder.value
    holder._set(value)
    try:
        yield
    finally:
        holder._set(before)


# ---- what is recorded ----------------------------------------------------------------------------


def recorded() -> dict[str, Any]:
    """Return what moves bits and cannot be held: a part of every result's identity, fit for JSON.

    `xla_flags`, and where they say something `matmul_precision`, `jax_settings` (of a JAX newer
    than this program), and `cpu`, the kind of CPU, or what an accelerator's libraries are told.
    """
    told = {
        "matmul_precision": precision_asked(),
        "jax_settings": _unknown_settings(),
        **_of_the_device(jax.local_devices()[0]),
    }
    return {"xla_flags": xla_flags(), **{name: value for name, value in told.items() if value}}


def _unknown_settings() -> dict[str, str]:
    settings = jax.config.values  # type: ignore[attr-defined]
    unknown = sorted(settings.keys() - PINNED.keys() - HARMLESS)
    return {name: re.sub(r" at 0x\w+", "", str(settings[name])) for name in unknown}


def _of_the_device(device: Any) -> dict[str, Any]:
    if device.platform == "cpu":
        return {"cpu": cpu_kind()}
    variables = {v: os.environ[v] for v in ACCELERATOR_VARIABLES if v in os.environ}
    return {"platform_version": device.client.platform_version, "variables": variables}


def xla_flags() -> str:
    """Return the flags that XLA is given, by the variable XLA_FLAGS or the file that it names.

    Those that move nothing are left out.
    """
    flags = flags_asked_for().split()
    return " ".join(flag for flag in flags if not flag.startswith(FLAGS_THAT_MOVE_NOTHING))


def flags_asked_for() -> str:
    """Return XLA_FLAGS or, where it names a file as XLA allows, what that file holds."""
    flags = os.environ.get("XLA_FLAGS", "").strip()
    if not flags or flags.startswith("-"):
        return flags
    try:
        return " ".join(shlex.split(Path(flags).read_text()))
    except (OSError, ValueError):
        return flags  # XLA has a word to say about it


# ---- the CPU -------------------------------------------------------------------------------------

VECTORS = {
    "avx512f": "AVX-512",
    "avx2": "AVX2",
    "avx": "AVX",
    "sse4.2": "SSE4.2",
    "sve2": "SVE2",
    "sve": "SVE",
    "neon": "NEON",
}
"""Features of a CPU that set the width of its vectors, the widest first, and their names."""
MOST_OF = {
    "SSE4_2": ("avx", "avx2", "avx512f", "fma"),
    "AVX": ("avx2", "avx512f", "fma"),
    "AVX2": ("avx512f",),
}
"""What XLA's flag `--xla_cpu_max_isa` takes away."""


@functools.cache
def cpu_kind() -> str:
    """Return the kind of CPU for which XLA compiles: architecture, vectors, fused multiply-add.

    A fused multiply-add rounds once where two instructions round twice, so that a program's last
    bits depend on it. The compiler itself is asked; before JAX 0.12 it does not tell, and what the
    system says of the CPU counts, with XLA's flags.
    """
    features = _features_by_the_compiler()
    if features is None:
        limit = re.findall(r"--xla_cpu_max_isa=(\w+)", flags_asked_for())
        features = _features_by_the_system() - {*MOST_OF.get(limit[-1] if limit else "", ())}
    return kind_of(platform.machine(), features)


def kind_of(machine: str, features: set[str] | frozenset[str]) -> str:
    """Return the kind of a CPU with the given features, by the compiler's names, in words.

    Example:
      >>> kind_of("x86_64", {"sse4.2", "avx", "avx2", "fma"}), kind_of("x86_64", {"sse4.2"})
      ('x86_64, AVX2, FMA', 'x86_64, SSE4.2')
    """
    widest = next((name for feature, name in VECTORS.items() if feature in features), None)
    arm = machine.lower() in ("arm64", "aarch64")
    words = [machine, widest or ("NEON" if arm else None), "FMA" if "fma" in features else None]
    return ", ".join(word for word in words if word)


def _features_by_the_compiler() -> set[str] | None:
    from jax._src.lib import xla_client  # there is no public way to ask

    try:
        topology = xla_client.get_topology_for_devices(jax.local_devices(backend="cpu"))
        said = topology.serialize()
    except (AttributeError, RuntimeError):
        return None
    found = re.findall(rb"\+([a-z0-9.]+)", said)
    return {feature.decode() for feature in found} or None


def _features_by_the_system() -> set[str]:
    try:
        if sys.platform == "darwin":
            command = ["sysctl", "-n", "machdep.cpu.features", "machdep.cpu.leaf7_features"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            said = done.stdout.lower()
        else:
            told = Path("/proc/cpuinfo").read_text()
            lines = re.findall(r"^(?:flags|Features)\s*:(.*)$", told, re.MULTILINE)
            said = lines[0] if lines else ""
    except OSError:
        return set()
    names = {"sse4_2": "sse4.2", "avx1.0": "avx", "asimd": "neon"}
    return {names.get(word, word) for word in said.split()}
