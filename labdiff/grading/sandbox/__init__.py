"""The student's kernel: namespaces, limits, its own labdiff, and what goes in and comes out."""
