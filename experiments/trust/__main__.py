"""`python -m experiments.trust`."""

from experiments.trust import main

raise SystemExit(main())
