"""`python -m bpjax.cli`, where the `bpjax` script is not on the path."""

from bpjax.cli import entry_point

entry_point()
