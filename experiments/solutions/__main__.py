"""`python -m experiments.solutions`."""

from experiments.solutions import STUDY

raise SystemExit(STUDY.main())
