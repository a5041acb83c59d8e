"""`python -m experiments.family_trees`."""

from experiments.family_trees import STUDY

raise SystemExit(STUDY.main())
