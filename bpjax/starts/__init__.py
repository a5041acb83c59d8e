"""Where runs start: drawn weights, given ones, or those of a plane in weight space.

From below: `distributions` draws the weights of one connection, for which `fans` counts what enters
and leaves its units; `choice` reads which distribution stands where; `initial` says what a strategy
is, and draws; `plane` lays runs out over two weights, `given` starts them at weights of the user's.
"""
