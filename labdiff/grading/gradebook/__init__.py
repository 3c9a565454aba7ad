"""From verdicts to points: the course file, overrides, late days, the roster."""
