"""The studies: each computes, saves, then draws; run one with `python -m experiments.NAME`."""
