"""The figures that commands draw by themselves: which ones a run or a sweep calls for.

`bpjax.plots` draws what it is given; here the tables of a sweep and the history of a run are read,
and the words of a title are chosen. `runs` and `nets` are the figures of one run, `sweeps` those of
many; `draw` saves them.
"""
