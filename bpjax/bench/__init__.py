"""`bpjax bench`: our training programs against other ways of writing the same training.

sizes.py says what is measured; numpy_nets.py, idiom.py and ours.py are the contenders; worker.py
runs them in processes of their own, client.py talks to those, and measure.py alternates between
them; gpu.py is what is asked of a GPU only. table.py prints the record that record.py describes.
Only the workers import JAX.
"""
