"""The key: one student-style right answer for each exercise; it lives with the command that hands it out."""

from labdiff.grading.publish.solutions import SOLUTIONS, solution  # noqa: F401  (the key: one right answer for each exercise)
