"""The parity microscope: showtell and the reference on the same folder, picture and text, stage by stage.

It stands beside the package and not in it, because it is the one place that imports `transformers`; `showtell parity`
starts it as a process of its own.
"""
