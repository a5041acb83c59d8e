"""`python -m experiments.reproduce`."""

from experiments.reproduce import STUDY

raise SystemExit(STUDY.main())
