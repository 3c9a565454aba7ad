"""One class, graded once by the real command over real kernels: honest students and each kind of bad or
hostile submission.

What makes it safe to run here: the hogs and forks are bounded by themselves, whatever the isolation does.
"""

import csv
import html
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import hostile  # noqa: E402

ROOT = Path(__file__).parents[1]
STEM = "01_forward_noising"
TRUSTED = ROOT / "notebooks" / f"{STEM}.ipynb"
CASES = {**hostile.FILES, **hostile.HONEST, **hostile.TROUBLE, **hostile.FORGERS, **hostile.LIBRARY}
CASES |= {**hostile.OWN, **hostile.STRANGE}
pytestmark = pytest.mark.timeout(3600)  # of the class, on a machine that is busy
EVIL = "open({marker!r}, 'a').write('ran ' + __file__)\n"
COMMAND = [sys.executable, "-m", "labdiff.grading"]
# the same without the self-test, which takes as long as four students
QUICK = (
    "import labdiff.cli as c, labdiff.grading.run.batch as b; b.self_test = lambda *a: None; exit(c.main())"
)
QUICK = [sys.executable, "-c", QUICK]


def made(case):
    """The bytes that a case hands in."""
    notebook = json.loads(TRUSTED.read_text("utf-8"))
    for part in case if isinstance(case, tuple) else (case,):
        if isinstance(part, str):
            hostile.answer(notebook)["source"] = part
        else:
            data = part(notebook)
            if isinstance(data, bytes):
                return data
    return json.dumps(notebook).encode()


def grade(*args, command=QUICK, **more):
    env = {
        **os.environ,
        **more,
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "passive",
        "PYTEST_ADDOPTS": "--made-up",
        "TOKEN": "of-the-ci",
    }
    return subprocess.run([*command, *map(str, args)], capture_output=True, text=True, env=env)


def sleepers():
    pattern = f"time.sleep.{hostile.SECONDS}"
    return subprocess.run(["pgrep", "-f", pattern], capture_output=True, text=True).stdout.split()


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """(cases, records by student, the command's end, folders)."""
    top = tmp_path_factory.mktemp("class")
    subs, out, marker = top / "subs", top / "out", top / "marker"
    server = socket.create_server(("127.0.0.1", 0))
    cases = {**CASES, **hostile.snoopers(ROOT, subs, out, server.getsockname()[1])}
    cases["refused"] = (hostile.tries(hostile.REFUSED), {"error"}, 0)
    cases["evil-folder"] = (hostile.RIGHT, {"correct"}, 1)
    cases["evil-folder-wrong"] = (hostile.WRONG, {"wrong"}, 0)
    for name, (case, *_) in cases.items():
        (subs / name).mkdir(parents=True)
        (subs / name / f"{STEM}.ipynb").write_bytes(made(case))
    for name in ("evil-folder", "evil-folder-wrong"):
        for file in (
            "conftest.py",
            "sitecustomize.py",
            "usercustomize.py",
            "torch.py",
            "labdiff/__init__.py",
            "nbval.py",
            "test_x.py",
        ):
            (subs / name / file).parent.mkdir(exist_ok=True)
            (subs / name / file).write_text(EVIL.format(marker=str(marker)))
        (subs / name / "pytest.ini").write_text("[pytest]\naddopts = --co -p torch\n")
    (subs / "own-module" / "my_helpers.py").write_text("from src.shapes import col\n")
    (subs / "own-module" / "src").mkdir()
    (subs / "own-module" / "src" / "shapes.py").write_text("def col(v): return v[:, None, None, None]\n")
    (subs / "link").mkdir()
    (subs / "link" / f"{STEM}.ipynb").symlink_to(subs / "bom" / f"{STEM}.ipynb")
    (subs / "link-folder").symlink_to(subs / "bom")
    (subs / "no-files").mkdir()
    begin = time.monotonic()
    options = ["-j", 2, "--notebook", "01", "--timeout", 8, "--memory", 3]
    end = grade("grade", subs, "--out", out, *options, command=COMMAND)
    print(f"\n{len(cases)} students in {time.monotonic() - begin:.0f} s\n{end.stderr[-3000:]}")
    server.close()
    records = {
        r["student"]: r for r in (json.loads(p.read_text()) for p in (out / "students").glob("*.json"))
    }
    return cases, records, end, (subs, out, marker)


def result(graded, name, exercise="q_sample"):
    return next(r for r in graded[1][name]["results"] if r["exercise"] == exercise)


def test_no_case_stops_the_batch(graded):
    cases, records, end, _ = graded
    assert end.returncode == 0, end.stderr
    assert records.keys() >= cases.keys() | {"link", "no-files"}


@pytest.mark.parametrize("name", CASES)
def test_verdict(graded, name):
    _, statuses, points = CASES[name]
    r = result(graded, name)
    assert r["status"] in statuses and r["points"] == points, r


@pytest.mark.parametrize("name", [*hostile.snoopers(ROOT, ROOT, ROOT, 0), "evil-folder", "evil-folder-wrong"])
def test_nothing_outside_can_be_reached(graded, name):
    if graded[1][name]["isolation"] == "none":
        pytest.skip("no namespaces on this machine: " + graded[1][name]["why"])
    _, statuses, points = graded[0][name]
    r = result(graded, name)
    assert r["status"] in statuses and r["points"] == points, r
    if points == 0 and name != "evil-folder-wrong":
        assert "does not do" not in r["hint"], r


@pytest.mark.parametrize("name", hostile.REFUSED)
def test_what_a_kernel_is_refused(graded, name):
    if graded[1]["refused"]["isolation"] == "none":
        pytest.skip("no namespaces on this machine: " + graded[1]["refused"]["why"])
    row = dict(result(graded, "refused")["rows"])["got"]
    assert "worked:" in row and name not in row


def test_nothing_in_a_submissions_folder_is_run(graded):
    assert not graded[3][2].exists()


def test_links_are_not_followed(graded):
    assert result(graded, "link")["status"] == "unreadable" and "link" in result(graded, "link")["hint"]
    assert "link-folder" not in graded[1] or result(graded, "link-folder")["points"] == 0
    assert result(graded, "no-files")["status"] == "missing"


def test_no_process_is_left(graded):
    assert sleepers() == []


def test_what_is_odd_is_flagged(graded):
    for name, words in {
        "bom": "byte order mark",
        "latin-1": "latin-1",
        "format-3": "nbformat 3",
        "duplicated": "2 cells",
        "markdown": "was in a markdown cell",
        "fenced": "lines ```",
        "format-4.4": "id is lost",
        "library": "labdiff's own",
        "missing-module": "made_up not installed",
        "missing-colab": "google.colab not installed",
        "own-slow": "too slow",
        "shows-off": "too slow",
        "own-kills": "stops the kernel",
        "blank-values": "strange output",
        **dict.fromkeys(("empty-status", "garbage", "deep-json", "replayed"), "stopped by the grader"),
    }.items():
        assert words in " ".join(result(graded, name)["flags"]), name


def test_tables_and_pages(graded):
    cases, records, _, (_, out, _) = graded
    rows = list(csv.DictReader((out / "grades.csv").open(encoding="utf-8")))
    assert (
        len(rows) == len(records)
        and {"student", "q_step", "alpha_bar", "q_sample", "total", "isolation", "flags"} <= rows[0].keys()
    )
    assert {r["student"]: r["q_sample"] for r in rows}["bom"] == "1"
    cases_xml = ElementTree.parse(out / "junit.xml").findall(".//testcase")
    names = [c.attrib["name"] for c in cases_xml]
    assert len(names) == len(set(names)) == 3 * len(records) and "bom::q_sample" in names
    page = (out / "index.html").read_text("utf-8")
    for words in (
        "Which exercise hurts",
        "Commonest mistakes",
        "Who needs a look",
        "Who is done",
        "variance-for-std",
    ):
        assert words in page
    assert "src=" not in page and "http" not in page and html.escape("Zoë Müller [a] (1)") in page
    for path in (out / "gradescope").glob("*/results.json"):
        found = json.loads(path.read_text())
        assert sum(t["score"] for t in found["tests"]) == found["score"] <= 3
    student = next((out / "students").glob("evil-folder-wrong*.html")).read_text()
    assert "variance-for-std" in student and "expected" in student


AGAIN = ("bom", "fenced", "duplicated-wrong", "loop", "library", "os-exit", "Zoë Müller [a] (1)", "workers")
AGAIN += ("shows-off", "own-slow", "own-kills", "own-module", "missing-and-wrong", "clears", "left-behind")


def test_a_busy_machine_gives_the_same_grades(graded):
    """Fifteen of the class, graded a second time beside programs that keep all cores busy, with other hidden
    probes and in other folders; the temp folder's name is longer than a socket's path may be."""
    subs, out, _ = graded[3]
    class_15, again, temp = (out.parent / name for name in ("class of 15", "again", "x" * 92))
    temp.mkdir()
    for name in AGAIN:
        shutil.copytree(subs / name, class_15 / name)
    options = ["-j", 2, "--notebook", "01", "--timeout", 8, "--memory", 3]
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() + 1)]
    try:
        end = grade("grade", class_15, "--out", again, *options, TMPDIR=str(temp))
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert end.returncode == 0 and "15 of 15 students" in end.stderr, end.stderr
    for path in (again / "students").glob("*.json"):
        new = json.loads(path.read_text())
        old = graded[1][new["student"]]
        assert [(r["status"], r["points"], r["mistake"]) for r in new["results"]] == [
            (r["status"], r["points"], r["mistake"]) for r in old["results"]
        ], new["student"]
    assert list(temp.iterdir()) == [] and sleepers() == []


# ---- the same without namespaces; shards; an interruption ----


@pytest.fixture
def few(tmp_path):
    subs = tmp_path / "few"
    for name in ("bom", "os-exit", "kills-parent", "left-behind"):
        (subs / name).mkdir(parents=True)
        (subs / name / f"{STEM}.ipynb").write_bytes(made(CASES[name][0]))
    return subs


def test_without_isolation_and_in_shards(few, tmp_path):
    for i in (1, 2):
        options = ["--notebook", "01", "--isolation", "none", "--shard", f"{i}/2", "-j", 2]
        end = grade("grade", few, "--out", tmp_path / f"part{i}", *options)
        assert end.returncode == 0 and "NOT ISOLATED" in end.stderr
    assert grade("merge", tmp_path / "part1", tmp_path / "part2", "--out", tmp_path / "all").returncode == 0
    rows = {r["student"]: r for r in csv.DictReader((tmp_path / "all" / "grades.csv").open())}
    assert {name: r["q_sample"] for name, r in rows.items()} == {
        "bom": "1",
        "os-exit": "0",
        "kills-parent": "0",
        "left-behind": "1",
    }
    assert {r["isolation"] for r in rows.values()} == {"not isolated"}
    assert "not isolated" in (tmp_path / "all" / "index.html").read_text() and sleepers() == []


def test_an_interrupted_batch_goes_on(few, tmp_path):
    out = tmp_path / "out"
    command = [*QUICK, "grade", few, "--out", out, "--notebook", "01", "-j", "1"]
    first = subprocess.Popen(list(map(str, command)), stderr=subprocess.DEVNULL)
    end = time.monotonic() + 600
    while not list((out / "students").glob("*.json")) and time.monotonic() < end:
        time.sleep(0.1)
    first.terminate()
    first.wait()
    kept = {p: p.stat().st_mtime_ns for p in (out / "students").glob("*.json")}
    assert 1 <= len(kept) < 4
    assert subprocess.run(list(map(str, command)), capture_output=True).returncode == 0
    assert len(list((out / "students").glob("*.json"))) == 4
    assert all(p.stat().st_mtime_ns == when for p, when in kept.items())
    assert sleepers() == []


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no fork server that cleans up")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("isolation", ["auto", "none"])
def test_nothing_is_left_when_the_grader_is_stopped(tmp_path, how, isolation):
    notebook = json.loads(TRUSTED.read_text("utf-8"))
    hostile.answer(notebook)["source"] = CASES["left-behind"][0] + "import time\ntime.sleep(50)\n"
    (tmp_path / "subs" / "anna").mkdir(parents=True)
    (tmp_path / "subs" / "anna" / f"{STEM}.ipynb").write_text(json.dumps(notebook))
    temp = Path(tempfile.mkdtemp(prefix="ld-"))  # short: a socket's address has a limit
    command = [*QUICK, "grade", tmp_path / "subs", "--out", tmp_path / "out"]
    command = [*map(str, command), "--notebook", "01", "--isolation", isolation]
    env = {**os.environ, "TMPDIR": str(temp), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=env, start_new_session=True, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 300
    while not sleepers() and time.monotonic() < end:
        assert process.poll() is None
        time.sleep(0.1)
    assert list(temp.iterdir())
    os.killpg(process.pid, how)
    process.wait()
    end = time.monotonic() + 300
    while (sleepers() or list(temp.iterdir())) and time.monotonic() < end:
        time.sleep(0.1)
    assert sleepers() == [] and list(temp.iterdir()) == []
    temp.rmdir()


def test_the_self_test_stops_a_batch_that_would_be_unfair(few, tmp_path):
    course = tmp_path / "course"
    course.mkdir()
    notebook = json.loads(TRUSTED.read_text("utf-8"))
    hostile.find(notebook, "setup")["source"] = "import os\nos._exit(0)"
    (course / f"{STEM}.ipynb").write_text(json.dumps(notebook))
    end = grade("grade", few, "--out", tmp_path / "out", "--notebooks", course, command=COMMAND)
    assert (
        end.returncode == 2 and "self-test: expected 100 % for the reference, got grader error" in end.stderr
    )
    assert not (tmp_path / "out" / "grades.csv").exists()
