"""bpjax: the back-propagation experiments of 1986, for one network or for millions.

Public names are loaded on first use, so `import bpjax` is quick, changes no global setting and
starts no backend.
"""

import importlib

from bpjax.version import __version__

TYPE_CHECKING = False  # `typing` takes as long as all the rest
if TYPE_CHECKING:
    from bpjax import analysis as analysis
    from bpjax import backprop as backprop
    from bpjax import plots as plots
    from bpjax import printed as printed
    from bpjax import tasks as tasks
    from bpjax.backprop import backward as backward
    from bpjax.backprop import forward as forward
    from bpjax.backprop import value_and_grad as value_and_grad
    from bpjax.comparing import compare as compare
    from bpjax.connections import Connection as Connection
    from bpjax.connections import Layer as Layer
    from bpjax.criteria import Criterion as Criterion
    from bpjax.errors import ResultsError as ResultsError
    from bpjax.errors import SettingError as SettingError
    from bpjax.experiment.makers import read_task as read_task
    from bpjax.gradient_check import check_gradients as check_gradients
    from bpjax.histories import loss_histories as loss_histories
    from bpjax.learning import accelerated_descent as accelerated_descent
    from bpjax.learning import decay_after_change as decay_after_change
    from bpjax.learning import steepest_descent as steepest_descent
    from bpjax.loading import load as load
    from bpjax.loss import CrossEntropy as CrossEntropy
    from bpjax.loss import HalfSquaredError as HalfSquaredError
    from bpjax.loss import MarginSquaredError as MarginSquaredError
    from bpjax.network import Network as Network
    from bpjax.network import layered as layered
    from bpjax.params import Params as Params
    from bpjax.recipe import Recipe as Recipe
    from bpjax.recording import History as History
    from bpjax.recording import Snapshots as Snapshots
    from bpjax.recurrent import unroll as unroll
    from bpjax.rules.own_rates import delta_bar_delta as delta_bar_delta
    from bpjax.rules.parabolic import quickprop as quickprop
    from bpjax.rules.resilient import rprop as rprop
    from bpjax.schedule import Schedule as Schedule
    from bpjax.start_files import read_start as read_start
    from bpjax.starts.given import Start as Start
    from bpjax.starts.initial import Initializer as Initializer
    from bpjax.starts.initial import init_params as init_params
    from bpjax.starts.initial import run_key as run_key
    from bpjax.starts.plane import Plane as Plane
    from bpjax.status import Status as Status
    from bpjax.sweeps.devices import use_all_cpu_cores as use_all_cpu_cores
    from bpjax.sweeps.host_loop import sweep as sweep
    from bpjax.sweeps.result import SweepResult as SweepResult
    from bpjax.sweeps.until import Forecast as Forecast
    from bpjax.sweeps.until import Known as Known
    from bpjax.sweeps.until import forecast as forecast
    from bpjax.sweeps.until import sweep_until as sweep_until
    from bpjax.task import Task as Task
    from bpjax.training import Run as Run
    from bpjax.training import train as train
    from bpjax.units import LayerUnit as LayerUnit
    from bpjax.units import Unit as Unit

_HOME = {
    "backward": "backprop",
    "forward": "backprop",
    "value_and_grad": "backprop",
    "Criterion": "criteria",
    "ResultsError": "errors",
    "SettingError": "errors",
    "check_gradients": "gradient_check",
    "loss_histories": "histories",
    "Recipe": "recipe",
    "Schedule": "schedule",
    "accelerated_descent": "learning",
    "decay_after_change": "learning",
    "steepest_descent": "learning",
    "load": "loading",
    "CrossEntropy": "loss",
    "HalfSquaredError": "loss",
    "MarginSquaredError": "loss",
    "compare": "comparing",
    "Connection": "connections",
    "Initializer": "starts.initial",
    "Layer": "connections",
    "Network": "network",
    "Params": "params",
    "init_params": "starts.initial",
    "layered": "network",
    "run_key": "starts.initial",
    "Plane": "starts.plane",
    "History": "recording",
    "Snapshots": "recording",
    "unroll": "recurrent",
    "delta_bar_delta": "rules.own_rates",
    "quickprop": "rules.parabolic",
    "rprop": "rules.resilient",
    "Start": "starts.given",
    "read_start": "start_files",
    "read_task": "experiment.makers",
    "Status": "status",
    "use_all_cpu_cores": "sweeps.devices",
    "sweep": "sweeps.host_loop",
    "Forecast": "sweeps.until",
    "Known": "sweeps.until",
    "forecast": "sweeps.until",
    "sweep_until": "sweeps.until",
    "SweepResult": "sweeps.result",
    "Task": "task",
    "Run": "training",
    "train": "training",
    "LayerUnit": "units",
    "Unit": "units",
}
_MODULES = ("analysis", "backprop", "plots", "printed", "tasks")

__all__ = ["__version__", *_HOME, *_MODULES]


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return importlib.import_module(f"bpjax.{name}")
    if name in _HOME:
        value = getattr(importlib.import_module(f"bpjax.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'bpjax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
