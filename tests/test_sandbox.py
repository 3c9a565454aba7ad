"""The sandbox's parts, each alone: what is removed, counted, shown, refused."""

import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import zmq
from jupyter_client.session import Session

from labdiff.grading import records
from labdiff.grading.run import steps
from labdiff.grading.sandbox import cleanup, isolate, limits, messages, protocol, visible
from labdiff.grading.sandbox.config import TOO_FULL, TOO_MUCH, KernelConfig
from labdiff.grading.sandbox.kernel import Kernel, Stopped

# what a student's code leaves behind


def test_a_deep_tree_is_removed_with_few_open_files(tmp_path):
    top = tmp_path / "top"
    top.mkdir()
    here, before = os.getcwd(), resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, before[1]))
    try:
        os.chdir(top)
        for _ in range(1500):
            Path("file").write_text("x")
            os.mkdir("a" * 50)
            os.chdir("a" * 50)
        os.chdir(here)
        cleanup.remove_tree(str(top))
    finally:
        os.chdir(here)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert not top.exists()


def test_links_are_removed_and_not_followed_and_modes_do_not_matter(tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("x")
    top = tmp_path / "top"
    (top / "a" / "b").mkdir(parents=True)
    (top / "a" / "link").symlink_to(kept)
    (top / "a" / "b" / "file").write_text("x")
    (top / "a" / "b").chmod(0)
    (top / "a").chmod(0)
    cleanup.remove_tree(str(top))
    assert not top.exists() and (kept / "file").exists()
    cleanup.remove_tree(str(tmp_path / "nowhere"))


# limits


def config(tmp_path, **more):
    given = {"memory": 2**30, "disk": 2**20, "visible": [], "hidden": [], "environment": {}, **more}
    return KernelConfig("none", str(tmp_path), "/lib", **given)


def child(code):
    done = subprocess.Popen(
        [sys.executable, "-c", f"{code}\nprint(flush=True)\ninput()"], stdin=-1, stdout=-1
    )
    done.stdout.readline()
    return done


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    "code",
    [
        "x = b'x' * 40_000_000",
        "import os\nf = os.memfd_create('x')\nos.write(f, b'x' * 40_000_000)",
        "import tempfile\nf = tempfile.TemporaryFile(dir='/dev/shm')\nf.write(b'x' * 40_000_000)\nf.flush()",
    ],
    ids=["heap", "memfd", "deleted file in shm"],
)
def test_memory_is_counted_wherever_it_is(tmp_path, code):
    process = child(code)
    try:
        here = config(tmp_path, memory=20_000_000)
        assert limits.excess(os.getpid(), here, look_at_disk=False) == TOO_MUCH
        assert limits.excess(os.getpid(), config(tmp_path, memory=2**33), look_at_disk=False) is None
    finally:
        process.kill()
        process.communicate()


def test_the_disk_is_counted_and_so_are_files(tmp_path, monkeypatch):
    here = config(tmp_path)
    os.makedirs(here.cwd + "/a/b")
    Path(here.cwd, "a/b/file").write_bytes(b"x" * 600_000)
    assert limits.excess(os.getpid(), here, look_at_disk=True) is None
    Path(here.cwd, "a/file").write_bytes(b"x" * 600_000)
    assert limits.excess(os.getpid(), here, look_at_disk=True) == TOO_FULL
    monkeypatch.setattr(limits, "ENTRIES", 2)
    assert limits.written(here.cwd, 10**12) == float("inf")


# what a kernel sees


def test_config_goes_through_json(tmp_path):
    made = config(tmp_path)
    assert KernelConfig.from_json(made.to_json()) == made


def test_packages_are_those_that_are_needed(tmp_path):
    found = visible.packages()
    assert {"torch", "numpy", "matplotlib", "ipykernel", "IPython", "ipywidgets"} <= found.keys()
    assert {"labdiff", "nbval", "pytest", "_pytest", "jupyterlab", "diffusers"}.isdisjoint(found)
    visible.write_site(str(tmp_path / "site"))
    assert os.path.samefile(tmp_path / "site" / "torch", found["torch"])
    visible.write_site(str(tmp_path / "more"), ["pytest"])
    assert (tmp_path / "more" / "_pytest").exists()
    with pytest.raises(ValueError, match="^--package, or packages in course.toml: .*, got made-up"):
        visible.write_site(str(tmp_path / "none"), ["made-up"])


def test_what_labdiff_depends_on_is_visible():
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text()
    listed = text.split("dependencies = [")[1].split("]")[0]
    names = {line.split('"')[1].split(">")[0].split("=")[0] for line in listed.splitlines() if '"' in line}
    assert names <= set(visible.NEEDED)


def test_a_venv_in_the_course_folder_does_not_show_the_course(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    (tmp_path / "pyvenv.cfg").write_text("")
    (tmp_path / ".secret").write_text("")
    shown, _ = visible.interpreter()
    assert str(tmp_path / "pyvenv.cfg") in shown and str(tmp_path) not in shown


def test_long_names_of_temp_folders(tmp_path, monkeypatch):
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(isolate.tempfile, "gettempdir", lambda: str(long))
    with isolate.batch_folder() as folder:
        assert len(folder + isolate.SOCKET) <= isolate.LONGEST and os.path.isdir(folder)
    assert not os.path.exists(folder)
    monkeypatch.setattr(isolate.os, "access", lambda *args: False)
    with (
        pytest.raises(ValueError, match="TMPDIR: expected a folder whose name has at most"),
        isolate.batch_folder(),
    ):
        pass


def test_a_system_without_limits_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)
    with pytest.raises(ValueError, match="labdiff grade: expected Linux or macOS"):
        isolate.choose("auto")


def test_grading_can_be_imported_without_resource():
    code = (
        "import sys; sys.modules['resource'] = None; import labdiff.grading.run.batch, labdiff.commands.grade"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# what a kernel sends

SESSION = Session(key=b"key")


def sent(kind, content, session=SESSION):
    frames = session.serialize(session.msg(kind, content, parent={"msg_id": "1"}))
    return [b"topic", *frames]


def test_a_proper_message_is_read():
    read = messages.read(Session(key=b"key"), sent("status", {"execution_state": "idle"}))
    assert (read.kind, read.parent, read.content) == ("status", "1", {"execution_state": "idle"})


DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [b""],
        [b"a", b"b"],
        sent("status", {}),
        sent("status", {"execution_state": 3}),
        sent("stream", {}),
        sent("display_data", {"data": 1, "metadata": {}}),
        sent("execute_reply", {}),
        sent("status", {"execution_state": "idle"}, Session(key=b"other")),
        [*sent("status", {"execution_state": "idle"})[:-1], DEEP],
        [b"<IDS|MSG>", SESSION.sign([DEEP] * 4), DEEP, DEEP, DEEP, DEEP],
        [b"<IDS|MSG>", SESSION.sign([b"null"] * 4), *[b"null"] * 4],
        [b"<IDS|MSG>", SESSION.sign([b"\xff"] * 4), *[b"\xff"] * 4],
    ],
)
def test_strange_messages_are_strange(frames):
    with pytest.raises(messages.Strange):
        messages.read(Session(key=b"key"), frames)


def test_a_message_that_is_sent_again_is_strange():
    session, frames = Session(key=b"key"), sent("status", {"execution_state": "idle"})
    messages.read(session, frames)
    with pytest.raises(messages.Strange, match="[Dd]uplicate"):
        messages.read(session, frames)


def test_messages_have_a_sum(monkeypatch):
    kernel = Kernel.__new__(Kernel)
    kernel.size, kernel.memory = 0, limits.resident(os.getpid())
    frames = [b"x" * 10**6]
    with pytest.raises(Stopped, match="messages that no kernel sends"):
        kernel.kc = type("Client", (), {"session": SESSION})
        kernel._read(frames)
    kernel.size = 64 * 2**20
    with pytest.raises(Stopped, match="messages without end"):
        kernel._read(frames)


def test_how_a_cell_went_is_read_from_anything():
    ran = protocol.Ran("NameError: x", True, ("seaborn",), False)
    plain = {"error": ran.error, "early": True, "missing": ["seaborn"], "slow": False}
    assert protocol.decode_ran(json.loads(json.dumps(plain))) == ran
    for bad in (
        None,
        3,
        [],
        {},
        {"error": 1},
        {**plain, "error": "\ud800"},
        {**plain, "missing": [1, "x" * 999]},
    ):
        assert protocol.decode_ran(bad).error == "" or not protocol.decode_ran(bad).missing


# what is run

Q = records.Question("q_sample", "stub", "01")
P = records.Question("q_step", "stub", "01")
COURSE = records.Trusted("01", (P, Q), "setup", {"setup": "setup", "given": "given = 1"})


def cell(source, id="", kind="code"):
    return records.Cell(kind, id, "", source)


def test_cells_are_run_in_the_order_of_the_notebook():
    cells = [
        cell("setup"),
        cell("a = 1"),
        cell("text", kind="markdown"),
        cell("given  =  1"),
        cell("answer p", "q-step-answer"),
        cell("b = 1"),
        cell("answer q", "q-sample-answer"),
        cell("c = 1"),
    ]
    answers = {P: records.Answer("answer p"), Q: records.Answer("answer q")}
    sequence = steps.parts(cells, COURSE, answers)
    assert [(p.source, p.given) for p in sequence] == [
        ("setup", True),
        ("a = 1", False),
        ("given = 1", True),
        ("answer p", False),
        ("b = 1", False),
        ("answer q", False),
        ("c = 1", False),
    ]
    helpers = records.Trusted.helpers
    try:
        records.Trusted.helpers = lambda self, before: []
        made = steps.steps(Q, COURSE, sequence, {}, 60)
    finally:
        records.Trusted.helpers = helpers
    assert [(s.kind, s.of) for s in made] == [
        ("setup", ""),
        ("other", "cell 2"),
        ("other", "q_step"),
        ("other", "cell 6"),
        ("answer", "q_sample"),
        ("probe", "q_sample"),
    ]
    rest = json.loads(eval(made[-1].code.removeprefix("labdiff_inside.probe")))["rest"]
    assert rest == ["setup", "a = 1", "given = 1", "answer p", "b = 1", "c = 1", "answer q"]


def test_stubs_before_an_answer_are_defined_as_in_the_notebook():
    sources = {
        "setup": "s",
        "q-step-answer": "stub",
        "q-step-check": "check",
        "helper": "h",
        Q.cell_id: "stub",
    }
    assert records.Trusted("01", (P, Q), "s", sources).helpers(Q) == ["stub", "h"]


def test_a_kernel_that_does_not_start_leaves_nothing():
    """Its sockets are closed: else the interpreter waits for them for ever, and the batch with it."""

    def contexts():
        return [c for c in gc.get_objects() if type(c) is zmq.Context and not c.closed]

    before = contexts()
    with tempfile.TemporaryDirectory() as run:
        silent = f"import os, time; open({run + '/pid'!r}, 'w').write(str(os.getpid())); time.sleep(100)"
        with pytest.raises(RuntimeError, match="expected an answer in .* s, got nothing"):
            Kernel([sys.executable, "-c", silent], dict(os.environ), run, startup_timeout=2)
        assert [c for c in contexts() if c not in before] == []
        with pytest.raises(ProcessLookupError):
            os.kill(int(Path(run, "pid").read_text()), 0)
