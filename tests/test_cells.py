"""How the cells of a student's notebook are run in a grading kernel: here in this process, without one."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

SANDBOX = Path(__file__).parents[1] / "labdiff" / "grading" / "sandbox"
HEAD = """
import sys, json
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
from labdiff.grading.sandbox import protocol
sys.modules["labdiff_protocol"] = protocol
from labdiff.checks.in_kernel import guard
from labdiff.grading.sandbox import cells
"""


def ran(code):
    """What the code, with `cells` and `shell` at hand, leaves in `out`."""
    text = f"{HEAD}{code}\nprint('OUT', json.dumps(out))"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.split("OUT ")[-1])


def test_cells():
    """All in one process: starting one takes longer than what is tested."""
    out = ran(
        """
uses = [cells.binds_and_uses(c)[1] for c in (
    "def deco(f):\\n    def g(*a): return f(*a)\\n    return g",
    "def f():\\n    import numpy as np, os.path\\n    class C: pass\\n    return np, os, C, h",
    "%%time\\nx = y\\n!ls",
    "broken(",
)]
slow = cells.run("import time\\ntime.sleep(60)\\nx = 1\\ndef after(): pass\\n", limit=0.2)
defined = [name in shell.user_ns for name in ("after", "x")]
rest = ["h = 1", "def deco(f): return f", "1 / 0", "@deco\\ndef answer(): return late", "late = h"]
later = cells.fill_in("answer", rest, guard.Clock(30))
none = cells.fill_in("nowhere", ["h = 1"], guard.Clock(30))
out = [[sorted(u) for u in uses], slow.slow, defined, later, none]
"""
    )
    uses, slow, defined, later, none = out
    assert uses == [[], ["h"], ["y"], []]
    assert slow and defined == [True, False], "what is defined after a slow statement counts"
    assert later and not none


def test_the_reports_of_a_kernel_look_like_those_of_check(tmp_path):
    from labdiff.checks import EXERCISES, check
    from labdiff.grading.sandbox import package

    path = tmp_path / "kernel_checks.py"
    path.write_text(package.CHECK.format(name="q_step"))
    spec = importlib.util.spec_from_file_location("kernel_checks", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    report = check("q_step", lambda *args: None)
    theirs = module.check("q_step", None)
    assert vars(theirs).keys() == {*vars(report), "score", "max_score"}
    assert theirs.status == "correct" and theirs.score == theirs.max_score
    assert module.yours("q_step", 1, 2) == 1 and module.yours("q_sample", 1, 2) == 2
    assert module.yours("q_sample", 1, None) == 1 and "q_step" in EXERCISES
