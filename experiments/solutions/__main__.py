"""`python -m experiments.solutions`."""

from experiments.solutions import main

raise SystemExit(main())
