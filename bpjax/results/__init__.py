"""Results on disk: what is kept of a sweep, checked whenever it is read, and told as tables.

From below: `files` publishes a file whole or not at all; `sealed` and `schema` say whether JSON is
as bpjax wrote it; `identity` says what a sweep is; `chunks` are its files of runs, with the
`columns` that `identity` asks for, rows or `counts`; `manifest` is `sweep.json`; `writer` keeps a
second one out; `folder` is all of one folder; `store` reads whole sweeps back, `summary` tells what
they found, and `export` writes their tables. Nothing here trains, and nothing here needs JAX.
"""
