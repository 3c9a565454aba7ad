"""The keys of mistakes that credit can be given for: those of the catalogues, and those of any exercise."""

from labdiff.checks.judging.named_exceptions import KNOWN

ANY_EXERCISE = (
    "in-place",
    "fresh-noise",
    "library-call",
    "time-limit",
    "signature",
    "no-return",
    "wrong-type",
    *dict.fromkeys(entry[0] for entry in KNOWN),
)
