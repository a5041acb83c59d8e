"""Every published experiment over many seeds: the paper says, we measure.

    python -m experiments.reproduce

makes the published folder, experiments/results/reproduce, with 1,000 runs of each experiment and
100 of the slowest; `--runs 50` is a quick look without these, kept in results/reproduce-50.
Finished runs are kept under sweeps/ in that folder, so a table that was interrupted goes on where
it stopped. `--words-only` trains nothing: it says and draws anew what the record of such a folder
has measured.
"""

from experiments.reproduce.table import draw, write_up
from experiments.reproduce.training import compute, judged_again
from experiments.study import Result, Study

STUDY = Study(
    name="reproduce",
    published_runs=1000,
    counted="runs per experiment",
    words=__doc__,
    compute=lambda num_runs, folder, only: Result(compute(num_runs, folder, only)),
    write_up=write_up,
    draw=lambda result, folder: draw(result.record, folder),
    words_only=judged_again,
    own_options=lambda parser: parser.add_argument(
        "--only", nargs="*", default=(), metavar="NAME", help="rows of the table"
    ),
)
