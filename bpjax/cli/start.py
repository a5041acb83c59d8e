"""JAX that cannot start as the environment asks it to: said in one sentence.

XLA ends the process where it does not know a flag, so a child tries them first. What JAX refuses it
says by an exception of any kind, when it is imported or looks for its devices.
"""

import errno
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bpjax.errors import SettingError

COMMANDS_WITH_JAX = ("bench", "check", "explain", "report", "sweep", "train", "verify")

_TRY = "from jaxlib import xla_client; xla_client.CompileOptions()"
_FAULTS = r"(?:Unknown flags? in XLA_FLAGS|Couldn't interpret value|Could not open file)[^\n(]*"


def check_flags(command: str) -> None:
    """Raise SettingError if XLA would end this process because of the variable XLA_FLAGS.

    Args:
      command: what is to run; the flags do not matter where it needs no device.
    """
    flags = os.environ.get("XLA_FLAGS", "").strip()
    if not flags or command not in COMMANDS_WITH_JAX or _xla_has_started():
        return
    if not flags.startswith("-") and not Path(flags).is_file():
        raise SettingError("XLA_FLAGS", "must hold flags, or name a file that does", flags)
    tried = subprocess.run(
        [sys.executable, "-c", _TRY], capture_output=True, text=True, check=False
    )
    if tried.returncode:
        said = re.search(_FAULTS, tried.stderr)
        reason = said[0].strip(" .") if said else "it gives no reason"
        raise SettingError("XLA_FLAGS", f"must hold flags that XLA takes ({reason})", flags)


def _xla_has_started() -> bool:
    """Tell whether XLA has read its flags: it does so once in a process."""
    bridge = sys.modules.get("jax._src.xla_bridge")
    return bridge is not None and bridge.backends_are_initialized()


_NO_MORE = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN}


def why_no_start(fault: BaseException) -> str | None:
    """Return in one sentence why JAX, or a process beside it, did not start; else None."""
    if isinstance(fault, OSError) and fault.errno in _NO_MORE:
        return f"the system gives this process no more: {fault.strerror}."
    if not any(map(_is_about_start, _frames(fault))):
        return None
    asked = [f"{name}={value}" for name, value in os.environ.items() if name.startswith("JAX_")]
    told = f" with {', '.join(asked)}" if asked else ""
    said = (str(fault).strip() or "there is no such device here").splitlines()[0].rstrip(".")
    return f"JAX does not start{told[:200]}: {said[:200]}."


def _is_about_start(frame: tuple[str, str]) -> bool:
    module, function = frame
    being_imported = function == "<module>" and re.match(r"jax(lib)?(\.|$)", module) is not None
    return being_imported or module == "jax._src.xla_bridge"


def _frames(fault: BaseException | None) -> Iterator[tuple[str, str]]:
    """Yield module and function of every frame that an exception, or its causes, came through."""
    while fault is not None:
        step = fault.__traceback__
        while step is not None:
            yield step.tb_frame.f_globals.get("__name__", ""), step.tb_frame.f_code.co_name
            step = step.tb_next
        fault = fault.__cause__ or fault.__context__
