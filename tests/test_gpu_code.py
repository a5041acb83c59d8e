"""The study of machine code: what it reads in the compilers' output, from short samples."""

import json
import sys
from pathlib import Path

import pytest

from bpjax.bench import gpu
from experiments import gpu_code
from experiments.gpu_code import build, kernels, machine_code, programs, tools
from experiments.gpu_code.words import write_up
from experiments.study import HERE

RECORD = json.loads((HERE / "results" / "gpu_code" / "results.json").read_text())
XOR = next(row for row in RECORD["fused"] if row["name"] == "xor-2-2-1")

# ---- what the compilers say ----------------------------------------------------------------------

ASSEMBLER = """
ptxas info    : Function properties for kernel
    160 bytes stack frame, 164 bytes spill stores, 168 bytes spill loads
ptxas info    : Used 255 registers, used 2 barriers, 160 bytes cumulative stack size
"""

MACHINE_CODE = """
kernel:
        /*0000*/              @!P0 BRA `(.L_x_3) ;
.L_x_0:
        /*0010*/                   FFMA.SAT R8, R50, -R9.reuse, 0.5 ;
.L_x_1:
        /*0020*/                   LDL R3, [R1+0x4] ;
        /*0030*/              @!UP0 UMOV UR4, 0x1 ;
        /*0040*/               @P1 BRA `(.L_x_1) ;
        /*0050*/                   MUFU.EX2 R15, R15 ;
        /*0060*/               @P2 BRA `(.L_x_2) ;
        /*0070*/                   DSETP.MAX.AND P0, P1, R2, R4, PT ;
.L_x_2:
        /*0080*/              @!PT FSEL R19, R8, 1, !P1 ;
        /*0090*/               @P0 BRA `(.L_x_0) ;
.L_x_3:
        /*00a0*/                   EXIT ;
.L_x_4:
        /*00b0*/                   BRA `(.L_x_4);
"""


def test_registers_and_spilled_bytes_are_read():
    assert machine_code.read_assembler(ASSEMBLER) == (255, 160, 164, 168)


def test_the_longest_loop_is_the_epoch():
    loop = machine_code.epoch_loop(MACHINE_CODE)
    assert loop == [
        "FFMA.SAT",
        "LDL",
        "UMOV",
        "BRA",
        "MUFU.EX2",
        "BRA",
        "DSETP.MAX.AND",
        "FSEL",
        "BRA",
    ]
    one_each = {"float32", "float64", "special", "choices", "local memory"}
    assert machine_code.by_unit(loop) == dict.fromkeys(one_each, 1) | {"others": 4}


def test_code_without_a_loop_is_told():
    with pytest.raises(ValueError, match="no loop"):
        machine_code.epoch_loop(MACHINE_CODE.split(".L_x_0:")[0])


def test_the_scarcest_units_bound_the_rate():
    found = programs.epoch_in_numbers(
        {"float32": 100, "special": 20, "choices": 0, "local memory": 0, "others": 8}
    )
    card = 132 * 1.98e9
    assert found["bounds"] == pytest.approx(
        {"issue": card, "float32": 1.28 * card, "special": 0.8 * card}
    )
    assert (found["limited_by"], found["instructions"]) == ("special", 128)
    assert found["seed_epochs_per_second"] == found["bounds"]["special"]


@pytest.mark.parametrize(("registers", "threads"), [(16, 2048), (72, 896), (73, 768), (255, 256)])
def test_threads_of_a_multiprocessor_by_their_registers(registers, threads):
    assert machine_code.resident_threads(registers, 128) == threads


# ---- kernels of an epoch -------------------------------------------------------------------------

HLO = """
%inner_body (p: (s32[], f32[2]{0})) -> (s32[], f32[2]{0}) {
  %p = (s32[], f32[2]{0}) parameter(0)
  %a.1 = f32[2]{0} fusion(%p), kind=kLoop, calls=%fused
  %a.2 = f32[2]{0} custom-call(%a.1), custom_call_target="gemm"
  ROOT %t = (s32[], /*index=1*/f32[2]{0}) tuple(%a.1, %a.2)
}

%inner_condition (p: (s32[], f32[2]{0})) -> pred[] {
  ROOT %c = pred[] fusion(%p), kind=kLoop, calls=%fused
}

%commands (p: f32[2]{0}) -> f32[2]{0} {
  %b.1 = f32[2]{0} fusion(%p), kind=kLoop, calls=%fused
  ROOT %b.2 = f32[2]{0} copy(%b.1)
}

%epoch (p: (s32[], f32[2]{0})) -> (s32[], f32[2]{0}) {
  %g = f32[2]{0} get-tuple-element(%p), index=1
  %w = (s32[], f32[2]{0}) while(%p), condition=%inner_condition, body=%inner_body, \
backend_config={"known_trip_count":{"n":"5"}}
  %d = f32[2]{0} call(%g), to_apply=%commands
  ROOT %t = (s32[], f32[2]{0}) tuple(%w, %d)
}

%made_all (p: (s32[], f32[2]{0})) -> pred[] {
  ROOT %c = pred[] fusion(%p), kind=kLoop, calls=%fused
}

ENTRY %main (x: f32[2]{0}) -> f32[2]{0} {
  %pad = f32[2]{0} fusion(%x), kind=kLoop, calls=%fused
  %short = (s32[], f32[2]{0}) while(%x), condition=%made_all, body=%commands
  %long = (s32[], f32[2]{0}) while(%x), condition=%made_all, body=%epoch
}
"""


def test_kernels_are_counted_as_often_as_they_are_started():
    expected = {"copy": 1, "custom-call": 5, "fusion": 5 + 1 + 1}
    assert kernels.kernels_of_an_epoch(HLO) == expected
    halves = kernels.kernels_of_an_epoch(HLO, epochs_per_turn=2)
    assert halves == {kind: many / 2 for kind, many in expected.items()}


def test_an_inner_loop_of_unknown_length_counts_once_with_its_condition():
    unknown = HLO.replace("known_trip_count", "no_word")
    assert kernels.kernels_of_an_epoch(unknown) == {"copy": 1, "custom-call": 1, "fusion": 4}


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [(" while(%x)", " fusion(%x)", "no loop"), (" call(%g)", " conditional(%g)", "a choice")],
)
def test_programs_that_cannot_be_counted_are_told(old, new, reason):
    with pytest.raises(ValueError, match=reason):
        kernels.kernels_of_an_epoch(HLO.replace(old, new))


# ---- the published record ------------------------------------------------------------------------


def test_the_bench_bounds_xor_by_the_published_count():
    assert (XOR["precision"], XOR["instructions"]) == ("float32", gpu.INSTRUCTIONS)
    assert gpu.bound("H100", 132) == pytest.approx(XOR["seed_epochs_per_second"])


def test_the_published_text_is_that_of_the_record():
    assert (HERE / "results" / "gpu_code" / "README.md").read_text() == write_up(RECORD)


def test_the_record_has_every_program_that_is_served():
    rows = [(experiment.name, precision) for experiment, precision in programs.served()]
    assert [(row["name"], row["precision"]) for row in RECORD["fused"]] == rows
    assert ("t-c", "float32") not in rows


def test_every_unit_of_every_case_costs_an_exponential_and_a_reciprocal():
    """So the loop that was counted is one epoch; equal cases of a unit are computed once."""
    for experiment, precision in programs.served():
        task = experiment.task
        row = next(r for r in RECORD["fused"] if r["name"] == experiment.name)
        units = sum(layer.size for layer in task.network.computed_layers)
        if precision == "float32" and task.recipe.updates == "batch":
            assert row["by_unit"]["special"] <= 2 * units * task.num_cases
        if experiment.name in ("symmetry", "xor-2-2-1", "parity-5", "encoder-8-3-8"):
            assert row["by_unit"]["special"] == 2 * units * task.num_cases


# ---- tools ---------------------------------------------------------------------------------------


@pytest.fixture
def no_tools(monkeypatch, tmp_path):
    """A machine with JAX's plugin but without ptxas and nvdisasm; returns a CUDA_HOME for them."""
    monkeypatch.setattr(tools, "PLUGINS", ("jax",))
    monkeypatch.setattr(tools.importlib.util, "find_spec", lambda name: name == "jax" or None)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    (tmp_path / "bin").mkdir()
    return tmp_path


def put(folder, tool):
    (folder / "bin" / tool).touch(mode=0o755)


def refusal(capsys):
    with pytest.raises(SystemExit, match="2"):
        gpu_code.main([])
    return capsys.readouterr().err.splitlines()[-1]


def test_without_the_plugin_the_study_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(tools, "PLUGINS", ("no_such_package.plugin", "no_such_plugin"))
    words = "JAX cannot compile for NVIDIA GPUs here: pip install 'bpjax[cuda13]' first."
    assert refusal(capsys).endswith(words)


@pytest.mark.parametrize(
    ("there", "missing", "package"),
    [("nvdisasm", "ptxas", "nvidia-cuda-nvcc"), ("ptxas", "nvdisasm", "nvidia-cuda-nvdisasm")],
)
def test_a_missing_tool_is_named_with_its_package(no_tools, capsys, there, missing, package):
    put(no_tools, there)
    words = (
        f"{missing} is neither under CUDA_HOME, nor among Python's packages, nor on PATH: "
        f"pip install {package} first."
    )
    assert refusal(capsys).endswith(words)


def test_tools_are_found_and_xla_is_told_of_a_whole_installation(no_tools):
    for tool in tools.PACKAGES:
        put(no_tools, tool)
    found = tools.find_tools()
    assert found == tools.Tools(no_tools / "bin" / "ptxas", no_tools / "bin" / "nvdisasm")
    assert found.xla_flags == ""
    (no_tools / "nvvm").mkdir()
    assert found.xla_flags == f"--xla_gpu_cuda_data_dir={no_tools}"


def test_a_program_that_is_not_compiled_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "false")
    with pytest.raises(tools.CannotCompile, match="xor by fused was not compiled: it said nothing"):
        build.build("xor", "fused", "float32", tmp_path / "new", tools.Tools(Path(), Path()))


def test_where_the_tools_are_xor_is_compiled_and_counted(tmp_path):
    try:
        found = tools.find_tools()
    except tools.CannotCompile as reason:
        pytest.skip(str(reason))
    built = build.build("xor-2-2-1", "fused", "float32", tmp_path / "new", found)
    assembled, code = machine_code.assemble(built.ptx, found)
    assert machine_code.by_unit(machine_code.epoch_loop(code))["special"] == 24
    assert 0 < assembled.registers < 255
    assert assembled.spill_stores == 0
    assert built.bytes_in_and_out == XOR["bytes_per_stride"]
    unrolled = build.build("xor-2-2-1", "unrolled", "float32", tmp_path / "other", found)
    assert 0 < sum(kernels.kernels_of_an_epoch(unrolled.hlo).values()) < 50
