"""How good an answer is: pure functions of a prediction and a truth, and how sure one may be of their mean.

Each metric has one clean, documented definition. Where a benchmark's official script differs, the official one lives
beside it under its own name.
"""
