"""Names that an instructor's files may use: mistakes of any exercise, beside those of the catalogues."""

import difflib
from collections.abc import Sequence

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


def nearest(word: str, names: Sequence[str]) -> str:
    """ " (q_step?)" after a word that is none of the names, "" where none is near."""
    found = [difflib.get_close_matches(w, names, 1) for w in (word.replace("-", "_"), word)]
    return next((f" ({one[0]}?)" for one in found if one), "")
