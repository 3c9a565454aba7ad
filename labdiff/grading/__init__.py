"""The instructor's side: hand a notebook out, collect it, grade a class through nbval. See `labdiff --help`.

A submission's code runs in a kernel of its own; whether its numbers are right is decided outside of it.
"""
