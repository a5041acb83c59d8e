"""Many runs: planned, trained in blocks of fixed shape, their outcomes handed to be kept.

`plan` says which runs there are; `scheduler` is the compiled program, which trains a pool of lanes
and gives those whose runs have ended to the next ones, by a `roster`; `crew` is the host's side of
one pool; `devices` and `memory` say where and how much at once; `host_loop` ties them together. How
a block computes is in `bpjax.layouts`, what is kept of it in `bpjax.results`.
"""
