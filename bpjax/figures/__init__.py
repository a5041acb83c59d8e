"""The figures that commands draw by themselves: which ones a run or a sweep calls for.

`bpjax.plots` draws what it is given; here the tables of a sweep and the history of a run are read,
and the words of a title are chosen. `nets` has the inside of one run's net, `sweeps` what many runs
call for; `draw` has the rest of one run, and saves them all.
"""
