"""What hidden units represent: the printed solutions counted over thousands of runs.

The chapter shows one net per task and says what its hidden units do. Here the same tasks run from
many seeds, and the solutions are sorted into classes: how common is the printed one?

    python -m experiments.solutions

makes the published folder, experiments/results/solutions; `--runs 500` is a quicker look, kept in
results/solutions-500.
"""

from experiments.solutions.figures import draw
from experiments.solutions.measures import compute
from experiments.solutions.words import write_up
from experiments.study import Result, Study

STUDY = Study(
    name="solutions",
    published_runs=10_000,
    counted="seeds per task",
    words=__doc__,
    compute=lambda num_runs, folder: Result(compute(num_runs)),
    write_up=write_up,
    draw=lambda result, folder: draw(result.record, folder),
)
