"""Set nbgrader's metadata on the exercises, in place: python tools/mark_exercises.py [NOTEBOOK ...]"""

import json
import sys
from pathlib import Path

from labdiff import course
from labdiff.grading.publish import handout

for path in map(Path, sys.argv[1:] or sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))):
    before = path.read_text("utf-8")
    after = course.text_of(handout.mark(json.loads(before)))
    if after != before:
        path.write_text(after, "utf-8")
    print(path.name, "unchanged" if after == before else "marked")
