"""Grading: one student, one class."""
