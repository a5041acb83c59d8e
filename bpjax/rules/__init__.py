"""Learning rules beside the paper's, each from a paper of its own; `bpjax.learning` names them all.

`resilient` is Rprop, `parabolic` quickprop, `own_rates` delta-bar-delta, all written here;
`by_optax` has those that optax computes.
"""
