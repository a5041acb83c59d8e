"""`python -m experiments.reproduce`."""

from experiments.reproduce import main

main()
