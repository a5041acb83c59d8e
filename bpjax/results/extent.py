"""Which runs a sweep has: every seed at every point of its grid, numbered once and for all.

A run's number is ten digits for its seed, and before them the point of the grid: run 30000000012 is
seed 12 at the point 3. So it is the same whatever other seeds are asked for, a sweep can grow, and
runs of two points never lie side by side in one range.

Three keys of an identity say which runs these are: `seeds`, ranges `[first, stop]` in order;
`shard`, null or {`index`, `count`}; and `runs`, null for all of them, or the ranges of a shard. All
other keys say what is computed: `bpjax.results.identity.what`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bpjax.errors import ResultsError
from bpjax.results.chunks import (
    Ranges,
    as_ranges,
    both,
    num_runs_of,
    ranges_at_places,
    runs_text,
    union,
    without,
)
from bpjax.results.schema import PER_POINT, num_points


def seeds_of(identity: Mapping[str, Any]) -> Ranges:
    """Return the seeds of a sweep, those of all shards."""
    return as_ranges(identity["seeds"])


def runs_of(identity: Mapping[str, Any]) -> Ranges:
    """Return the runs that a folder with this identity is to hold."""
    if identity["runs"] is not None:
        return as_ranges(identity["runs"])
    return at_every_point(seeds_of(identity), num_points(identity))


def at_every_point(seeds: Ranges, points: int) -> Ranges:
    """Return the runs of some seeds at every point of a grid.

    Example:
      >>> at_every_point(as_ranges([(5, 8)]), 2).tolist()
      [[5, 8], [10000000005, 10000000008]]
    """
    return (np.arange(points)[:, None, None] * PER_POINT + seeds[None]).reshape(-1, 2)


def shard_of(runs: Ranges, index: int, count: int) -> Ranges:
    """Return the `index`-th of `count` parts of some runs, counted from 1, as even as can be.

    Example:
      >>> [shard_of(as_ranges([(0, 8)]), k, 3).tolist() for k in (1, 2, 3)]
      [[[0, 2]], [[2, 5]], [[5, 8]]]
    """
    number = num_runs_of(runs)
    return ranges_at_places(runs, number * (index - 1) // count, number * index // count)


def of_seeds(identity: Mapping[str, Any], seeds: Ranges) -> dict[str, Any]:
    """Return the identity of a part of a sweep: its runs of some seeds."""
    points, runs = num_points(identity), identity["runs"]
    seeds = both(seeds_of(identity), seeds)
    if runs is not None:
        runs = both(as_ranges(runs), at_every_point(seeds, points)).tolist()
    return {**identity, "seeds": seeds.tolist(), "runs": runs}


def grown(identity: Mapping[str, Any], seeds: Ranges) -> dict[str, Any]:
    """Return the identity of a sweep that has these seeds too.

    A shard gets its part of the runs that are new, and keeps those that it has: so shards that grow
    by the same steps have every run once.

    Example:
      >>> shard = {"task": {}, "grid": {}, "seeds": [[0, 6]], "shard": {"index": 2, "count": 3}}
      >>> grown({**shard, "runs": [[2, 4]]}, as_ranges([(0, 12)]))["runs"]
      [[2, 4], [8, 10]]
    """
    old, runs = seeds_of(identity), identity["runs"]
    if runs is not None:
        new = at_every_point(without(seeds, old), num_points(identity))
        shard = identity["shard"]
        runs = union(as_ranges(runs), shard_of(new, shard["index"], shard["count"])).tolist()
    return {**identity, "seeds": union(old, seeds).tolist(), "runs": runs}


def together(identities: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the identity of several folders of one sweep together: the seeds of all of them."""
    seeds = union(*map(seeds_of, identities))
    return {**identities[0], "seeds": seeds.tolist(), "shard": None, "runs": None}


def refuse_parted(counted: Sequence[Ranges], runs: Ranges) -> None:
    """Raise a `ResultsError` where some runs cannot be told from what was counted with them."""
    for group in counted:
        inside = both(group, runs)
        if 0 < num_runs_of(inside) < num_runs_of(group):
            raise ResultsError(
                f"{runs_text(inside)} were counted together with "
                f"{runs_text(without(group, inside))} and cannot be told apart; ask for all of "
                "them, or keep rows (without summary_only)."
            )


def seeds_told(seeds: Ranges) -> dict[str, Any]:
    """Return what a summary says of seeds.

    Example:
      >>> seeds_told(as_ranges([(0, 100), (200, 250)]))
      {'first': 0, 'count': 150, 'ranges': [[0, 100], [200, 250]]}
    """
    return {"first": int(seeds[0, 0]), "count": num_runs_of(seeds), "ranges": seeds.tolist()}
