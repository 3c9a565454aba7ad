"""The attempts log: what each ld.check said, in plain JSON lines beside the notebook. Off by default.

A student allows it by making an empty file attempts.jsonl beside the notebook, and ends it by deleting it."""

import json
from datetime import datetime, timezone
from pathlib import Path

from labdiff.checks.judging.report import Report

FILE = "attempts.jsonl"
LARGEST = 2**20  # bytes


def note(report: Report) -> None:
    """Add a line, if the student has allowed it; a file that can't be written is left alone."""
    path = Path(FILE)
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            return
        line = {
            "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "exercise": report.exercise,
            "status": report.status,
            "mistake": report.mistake,
        }
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    except OSError:
        pass
