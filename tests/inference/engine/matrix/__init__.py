"""What loads: every kind in every layout on every family, here and in diffusers, against the reference numbers.

`python -m tests.inference.engine.matrix` writes the table into docs/adapters.md.
"""
