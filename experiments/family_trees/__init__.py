"""Family trees, settled: which reading of the printed recipe learns, and how far off it is.

The paper prints most of a recipe for the family trees and leaves the rest open; independent
re-implementations could not train the net with it. Here every open choice and the printed numbers
are swept, each over many seeds, with four cases held out per run as in the paper. A run is solved
when all 100 pairs that it is trained on are right (every output unit nearer than 0.5 to its
target), within the printed 1,500 epochs.

    python -m experiments.family_trees

makes the published folder, experiments/results/family_trees, with 200 runs of each recipe (100
where weights change after every case, and of 5,000 epochs) and 1,000 of the best; `--runs 20` is a
quick look, kept in results/family_trees-20. Finished runs are kept under sweeps/ in that folder.
"""

from experiments.family_trees.figures import draw
from experiments.family_trees.training import compute
from experiments.family_trees.words import write_up
from experiments.study import Study

STUDY = Study(
    name="family_trees",
    published_runs=200,
    counted="number of seeds per recipe",
    words=__doc__,
    compute=lambda num_runs, folder: compute(
        num_runs, folder=folder, tell=lambda words: print(words, flush=True)
    ),
    write_up=write_up,
    draw=draw,
    keep_arrays="shown.npz",
)
