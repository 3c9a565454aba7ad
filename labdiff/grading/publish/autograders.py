"""Graders that a platform runs: Gradescope's zip, Classroom 50's folder. Both hold labdiff and the course."""

import zipfile
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from labdiff.checks import own
from labdiff.course import PACKAGE, clean, read, text_of
from labdiff.grading.gradebook import course_file
from labdiff.grading.publish.files import write
from labdiff.grading.questions import Trusted

LEFT_OUT = {"__pycache__", "notebooks"}
OLDEST = (1980, 1, 1, 0, 0, 0)
EXECUTABLE = {"setup.sh", "run_autograder"}

SETUP = """\
#!/usr/bin/env bash
# Run once, when the platform builds the autograder. LABDIFF_PYTHON: a Python that has all packages already.
set -e
here="$(cd "$(dirname "$0")" && pwd)"
if [ -z "$LABDIFF_PYTHON" ]; then
  command -v python3 > /dev/null && python3 -c "import venv, ensurepip" \\
    || (apt-get update && apt-get install -y python3 python3-venv)
  python3 -m venv "$here/venv"
  LABDIFF_PYTHON="$here/venv/bin/python"
  "$LABDIFF_PYTHON" -m pip install --quiet -r "$here/requirements.txt"
fi
cd "$here"
PYTHONPATH="$here" "$LABDIFF_PYTHON" -m labdiff grade-one --self-test --notebooks course{which}
"""

RUN = """\
#!/usr/bin/env bash
# Run for each submission, in /autograder: reads submission/, writes results/results.json.
set -e
cd "${{AUTOGRADER:-/autograder}}"
python="${{LABDIFF_PYTHON:-$PWD/source/venv/bin/python}}"
mkdir -p results
PYTHONPATH="$PWD/source" "$python" -m labdiff grade-one submission --notebooks source/course{which} \\
  --format gradescope --metadata submission_metadata.json --results results/results.json
"""

CLASSROOM = '''\
"""Grades the checkout in the working folder with labdiff, and writes ./result.json."""

import os
import subprocess
import sys
from pathlib import Path

here, checkout = Path(__file__).resolve().parent, Path.cwd()
python = os.environ.get("LABDIFF_PYTHON")
if not python:
    python = sys.executable
    install = [python, "-m", "pip", "install", "--quiet", "-r", "requirements.txt"]
    subprocess.run(install, check=True, cwd=here)
command = [python, "-m", "labdiff", "grade-one", str(checkout), "--notebooks", "course"]
command += {which!r}
command += ["--format", "classroom50", "--results", str(checkout / "result.json")]
# not in the checkout: a module of the student's would be imported from there
sys.exit(subprocess.run(command, cwd=here).returncode)
'''


def files(folder: Path, notebooks: Sequence[Trusted]) -> Iterator[tuple[str, bytes]]:
    """(name, content) of labdiff, of the course's notebooks without outputs, and of what lies beside them."""
    for path in sorted(PACKAGE.rglob("*")):
        if path.is_file() and LEFT_OUT.isdisjoint(path.relative_to(PACKAGE).parts):
            yield f"labdiff/{path.relative_to(PACKAGE)}", path.read_bytes()
    for notebook in notebooks:
        name = f"{notebook.stem}.ipynb"
        yield f"course/{name}", text_of(clean(read(folder / name))).encode()
    asked = [Path(q.own) for notebook in notebooks for q in notebook.questions if q.own]
    for path in [*asked, folder / course_file.NAME]:
        if path.is_file():
            inner = f"{own.FOLDER}/{path.name}" if path in asked else path.name
            yield f"course/{inner}", path.read_bytes()
    yield "requirements.txt", "\n".join(requirements()).encode() + b"\n"


def requirements() -> list[str]:
    """What labdiff needs to grade, as it was declared to pip."""
    from packaging.requirements import Requirement

    try:
        needs = map(Requirement, metadata.requires("labdiff") or ())
    except metadata.PackageNotFoundError:
        raise ValueError("labdiff: expected it to be installed (pip install -e '.[grading]')") from None
    found = []
    for need in needs:
        if need.marker is None or need.marker.evaluate({"extra": "grading"}):
            need.marker = None
            found.append(str(need))
    return sorted(found)


def gradescope(target: Path, folder: Path, notebooks: Sequence[Trusted]) -> None:
    """Write the zip that Gradescope takes as an autograder; the same course gives the same bytes."""
    which = "".join(f" --notebook {t.stem}" for t in notebooks)
    scripts = {"setup.sh": SETUP.format(which=which), "run_autograder": RUN.format(which=which)}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in [*((n, t.encode()) for n, t in scripts.items()), *files(folder, notebooks)]:
            info = zipfile.ZipInfo(name, OLDEST)
            info.external_attr = (0o755 if name in EXECUTABLE else 0o644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)


def classroom50(target: Path, folder: Path, notebooks: Sequence[Trusted]) -> None:
    """Write the folder autograders/ASSIGNMENT of Classroom 50."""
    which = [part for t in notebooks for part in ("--notebook", t.stem)]
    write(target / "autograder.py", CLASSROOM.format(which=which))
    for name, data in files(folder, notebooks):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(data)
