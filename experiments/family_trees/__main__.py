"""`python -m experiments.family_trees`."""

from experiments.family_trees import main

raise SystemExit(main())
