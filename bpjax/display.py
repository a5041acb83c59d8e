"""How pictures of a task set its units out: their names, their rows, the case worth a look."""

import dataclasses
from collections.abc import Mapping, Sequence

from bpjax.connections import Key


@dataclasses.dataclass(frozen=True)
class Display:
    """What the source calls and draws, and no run depends on.

    Args:
      names: of the units of a layer, by its name (in an iterative net, its name there). Layers
        whose units have no names are left out.
      rows: in how many rows the units of a layer stand, by its name, or the free weights of a tied
        connection, by its `weight_key`; as many as fit side by side unless given.
      cases: rows of the cases that pictures of activity show; a spread over all of them if empty.
    """

    names: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    rows: Mapping[str | Key, int] = dataclasses.field(default_factory=dict)
    cases: Sequence[int] = ()
