"""Many runs: planned, trained in blocks of fixed shape, stored in chunks.

plan.py says which runs there are; matrix.py trains a block of them; devices.py spreads blocks over
devices; store.py keeps results; run.py is the loop on the host that ties them together.
"""
