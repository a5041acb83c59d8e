"""What compiles for NVIDIA GPUs: JAX's plugin, an assembler, a disassembler; or what to install."""

import dataclasses
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

PLUGINS = ("jax_plugins.xla_cuda13", "jax_plugins.xla_cuda12")
PACKAGES = {"ptxas": "nvidia-cuda-nvcc", "nvdisasm": "nvidia-cuda-nvdisasm"}
"""The tools, and the packages that bring them."""


class CannotCompile(Exception):
    """Something is missing or did not work; the text says what."""


@dataclasses.dataclass(frozen=True)
class Tools:
    """Where the tools are.

    Attributes:
      ptxas: the assembler.
      nvdisasm: the disassembler.
    """

    ptxas: Path
    nvdisasm: Path

    @property
    def xla_flags(self) -> str:
        """What XLA must know: the CUDA installation of the assembler, if it is a whole one."""
        root = self.ptxas.parent.parent
        return f"--xla_gpu_cuda_data_dir={root}" if (root / "nvvm").is_dir() else ""

    def version(self) -> str:
        """Return the assembler's version: "13.0.88"."""
        said = subprocess.run([self.ptxas, "--version"], capture_output=True, text=True, check=True)
        return said.stdout.rpartition("V")[2].split()[0]


def find_tools() -> Tools:
    """Return the tools of this machine.

    Raises:
      CannotCompile: if there is no plugin of JAX for CUDA, or one of the tools is missing.
    """
    if not any(_is_there(plugin) for plugin in PLUGINS):
        raise CannotCompile(
            "JAX cannot compile for NVIDIA GPUs here: pip install 'bpjax[cuda13]' first."
        )
    return Tools(*map(_find, PACKAGES))


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of the package around it
        return False


def _find(tool: str) -> Path:
    for folder in _folders():
        found = shutil.which(tool, path=folder)
        if found is not None:
            return Path(found).resolve()
    raise CannotCompile(
        f"{tool} is neither under CUDA_HOME, nor among Python's packages, nor on PATH: "
        f"pip install {PACKAGES[tool]} first."
    )


def _folders() -> Iterator[str]:
    if "CUDA_HOME" in os.environ:
        yield str(Path(os.environ["CUDA_HOME"], "bin"))
    packages = importlib.util.find_spec("nvidia")
    for place in (packages and packages.submodule_search_locations) or ():
        yield from map(str, sorted(Path(place).glob("*/bin")))
    yield os.environ.get("PATH", "")
