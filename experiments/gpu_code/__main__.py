"""`python -m experiments.gpu_code`."""

from experiments.gpu_code import main

raise SystemExit(main())
