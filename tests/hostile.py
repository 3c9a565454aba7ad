"""Submissions that must not fool, break or slow the grader, and honest ones that must not suffer: one student
for each.

A case is (what is handed in, expected statuses of q_sample, expected points of q_sample). What is handed in:
the source of the q_sample cell, or a function(notebook) that edits the notebook or returns the file's bytes,
or both in a tuple.
"""

import json
import os

RIGHT = """\
def q_sample(s, x0, t, eps):
    alpha_bar = s.alpha_bar[t].view(-1, 1, 1, 1).to(x0.dtype)
    return alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * eps
"""
WRONG = RIGHT.replace("(1 - alpha_bar).sqrt() * eps", "(1 - alpha_bar) * eps")
ZERO = "def q_sample(s, x0, t, eps):\n    return 0 * x0\n"
MIME = "application/vnd.labdiff.outcomes+json"
SECONDS = 10**7 + os.getpid()  # tells whose processes they are
SLEEP = f"import time; time.sleep({SECONDS})"  # in a process of its own


def with_body(first, answer=RIGHT):
    """The answer, with lines put at the beginning of the function."""
    head, _, rest = answer.partition("\n")
    return head + "\n" + "".join(f"    {line}\n" for line in first.splitlines()) + rest


def find(notebook, cell_id):
    return next(c for c in notebook["cells"] if c.get("id") == cell_id)


def answer(notebook):
    return find(notebook, "q-sample-answer")


def remove(cell_id):
    return lambda notebook: notebook["cells"].remove(find(notebook, cell_id))


def change(cell_id="q-sample-answer", **fields):
    return lambda notebook: find(notebook, cell_id).update(fields)


def insert(after, source, **fields):
    def edit(notebook):
        cell = {
            "cell_type": "code",
            "id": "added",
            "metadata": {},
            "outputs": [],
            "execution_count": None,
            "source": source,
        }
        notebook["cells"].insert(notebook["cells"].index(find(notebook, after)) + 1, {**cell, **fields})

    return edit


def as_format_3(notebook):
    cells = [
        {
            "cell_type": c["cell_type"],
            "language": "python",
            "outputs": [],
            "metadata": {},
            ("input" if c["cell_type"] == "code" else "source"): c["source"],
        }
        for c in notebook["cells"]
    ]
    return json.dumps(
        {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": cells}]}
    ).encode()


def without_ids(notebook):
    """Format 4.4 has no cell ids; nbgrader's metadata still says which cell is which."""
    for cell in notebook["cells"]:
        cell.pop("id")
    notebook["nbformat_minor"] = 4


def as_format_4_4(notebook):
    """As a tool writes it that keeps neither ids nor metadata."""
    without_ids(notebook)
    for cell in notebook["cells"]:
        cell["metadata"] = {}


FILES = {
    "corrupt": (lambda n: b'{"cells": [', {"unreadable"}, 0),
    "not-a-notebook": (lambda n: b"[1, 2]", {"unreadable"}, 0),
    "binary": (lambda n: bytes(range(256)) * 20, {"unreadable"}, 0),
    "deep": (lambda n: b"[" * 200_000, {"unreadable"}, 0),
    "empty": (lambda n: b"", {"unreadable"}, 0),
    "no-cells": (
        lambda n: b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}',
        {"missing"},
        0,
    ),
    "bom": ((RIGHT, lambda n: b"\xef\xbb\xbf" + json.dumps(n).encode()), {"correct"}, 1),
    "utf-16": ((RIGHT, lambda n: json.dumps(n).encode("utf-16")), {"correct"}, 1),
    "latin-1": (
        (RIGHT + "# f\u00fcr x\n", lambda n: json.dumps(n, ensure_ascii=False).encode("latin-1", "replace")),
        {"correct"},
        1,
    ),
    "format-3": ((RIGHT, as_format_3), {"correct"}, 1),
    "format-4.4": ((RIGHT, as_format_4_4), {"correct"}, 1),
    "format-4.4-marked": ((RIGHT, without_ids), {"correct"}, 1),
    "format-5": ((RIGHT, lambda n: n.update(nbformat=5, nbformat_minor=0)), {"correct"}, 1),
    "kernel-name": (
        (RIGHT, lambda n: n["metadata"].update(kernelspec={"name": "julia-1.9", "display_name": "J"})),
        {"correct"},
        1,
    ),
    "missing-cell": (remove("q-sample-answer"), {"missing"}, 0),
    "emptied": ("", {"missing"}, 0),
    "markdown": ((RIGHT, change(cell_type="markdown")), {"correct"}, 1),
    "fenced": (f"```python\n{RIGHT}```", {"correct"}, 1),
    "untouched": (lambda n: None, {"not attempted"}, 0),
    "reordered": ((RIGHT, lambda n: n["cells"].reverse()), {"correct"}, 1),
    "duplicated": (
        (
            RIGHT,
            insert(
                "q-sample-check",
                "def q_sample(s, x0, t, eps):\n    raise NotImplementedError  # replace this line\n",
                id="q-sample-answer",
            ),
        ),
        {"correct"},
        1,
    ),
    "duplicated-wrong": ((RIGHT, insert("q-sample-check", WRONG, id="q-sample-answer")), {"wrong"}, 0),
    "checks-deleted": ((RIGHT, remove("q-sample-check")), {"correct"}, 1),
    "checks-edited": (
        (WRONG, change("q-sample-check", source="print('✓ q_sample: correct, 1 of 1')")),
        {"wrong"},
        0,
    ),
    "skip-tags": (
        (WRONG, change(metadata={"tags": ["raises-exception", "nbval-skip", "nbval-ignore-output"]})),
        {"wrong"},
        0,
    ),
    "skip-marker": ("# NBVAL_SKIP\n" + WRONG, {"wrong"}, 0),
    "skip-marker-right": ("# NBVAL_SKIP\n" + RIGHT, {"correct"}, 1),
    "stored-outputs": (
        (
            WRONG,
            change(
                "q-sample-check",
                outputs=[
                    {
                        "output_type": "execute_result",
                        "execution_count": 1,
                        "data": {"text/plain": "✓ q_sample: correct, 1 of 1", MIME: {"sets": []}},
                        "metadata": {},
                    }
                ],
            ),
        ),
        {"wrong"},
        0,
    ),
    "syntax-error": ("def q_sample(s, x0, t, eps)\n    return x0\n", {"error"}, 0),
    "Zoë Müller [a] (1)": (RIGHT, {"correct"}, 1),
}

HONEST = {
    "prints": (
        with_body(
            "print('t', t)\nimport sys, warnings\nwarnings.warn('careful')\nprint('!', file=sys.stderr)"
        ),
        {"correct"},
        1,
    ),
    "plots": (
        "import matplotlib.pyplot as plt\n%matplotlib inline\n" + RIGHT + "plt.plot([1, 2])\nplt.show()\n"
        "q_sample(s, x0, torch.tensor([1] * 8), x0)\n",
        {"correct"},
        1,
    ),
    "compares-with-library": (
        RIGHT + "assert torch.allclose(q_sample(s, x0, torch.tensor([1] * 8), x0), "
        "ld.q_sample(s, x0, torch.tensor([1] * 8), x0))\n",
        {"correct"},
        1,
    ),
    "checks-itself": (RIGHT + 'ld.check("q_sample", q_sample)\n', {"correct"}, 1),
    "own-helper-cell": (
        (
            "def q_sample(s, x0, t, eps):\n    a = col(s.alpha_bar[t]).to(x0.dtype)\n    "
            "return np.sqrt(a) * x0 + math.sqrt(1) * (1 - a).sqrt() * eps\n",
            insert(
                "section-3",
                "import numpy as np\nplot = show_me()\ndef col(v):\n    return v[:, None, None, None]\n",
            ),
        ),
        {"correct"},
        1,
    ),
    "loop": (
        "def q_sample(s, x0, t, eps):\n    out = torch.empty_like(x0)\n    for i in range(len(x0)):\n        "
        "a = s.alpha_bar[t[i]].item()\n        out[i] = a**0.5 * x0[i] + (1 - a)**0.5 * eps[i]\n    return "
        "out\n",
        {"correct"},
        1,
    ),
    "100-MB": (
        with_body("if len(x0) == 4:\n    print('x' * 10**8)") + "print('x' * 10**8)\n",
        {"correct"},
        1,
    ),
    "100-MB-result": (RIGHT + "b'x' * 10**8\n", {"correct"}, 1),
    "closes-stdout": (RIGHT + "import sys\nsys.stdout.close()\n", {"correct"}, 1),
    "no-stdout": (
        "import sys\nclass Tee:\n    def write(self, text): pass\nsys.stdout, sys.stderr = Tee(), None\n"
        + with_body("import sys\nsys.stdout = None"),
        {"correct"},
        1,
    ),
    "timed-import": ("%%time\nimport made_up\n" + RIGHT, {"correct"}, 1),
    "unknown-magic": ("\n%%memit\n%%capture out\n" + RIGHT, {"correct"}, 1),
    "awaits": (
        "import asyncio\nasync def one():\n    await asyncio.sleep(0.01)\n    return 1\nONE = await one()\n"
        + with_body("x0 = ONE * x0"),
        {"correct"},
        1,
    ),
    "asks-for-source": (
        with_body("import inspect\nassert 'getsource' in inspect.getsource(q_sample)"),
        {"correct"},
        1,
    ),
    "exits-after": (RIGHT + "import sys\nsys.exit(0)\n", {"correct"}, 1),
    "asks": (RIGHT + "input('continue?')\n", {"correct"}, 1),
}

TROUBLE = {
    "endless-output": ("while True:\n    print('x' * 1000)\n", {"timeout"}, 0),
    "endless-raw-output": (
        ZERO + "import os\nwhile True:\n    "
        "get_ipython().kernel.session.send(get_ipython().kernel.iopub_socket, "
        "'stream', {'name': 'stdout', 'text': 'x' * 10000})\n",
        {"timeout", "error", "kernel died", "wrong"},
        0,
    ),
    "endless-loop": (with_body("while True:\n    pass"), {"timeout"}, 0),
    "ignores-interrupts": (
        with_body(
            "import time\n"
            "while True:\n    try:\n        time.sleep(0.1)\n    except BaseException:\n        pass"
        ),
        {"timeout"},
        0,
    ),
    "blocks-signals": (
        with_body(
            "import signal, time\nsignal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\n"
            "while True:\n    time.sleep(1)"
        ),
        {"timeout", "kernel died"},  # whichever limit is reached first on a busy machine
        0,
    ),
    # 6 GB at most
    "memory-hog": (
        with_body("hog = [torch.ones(25_000_000) for _ in range(60)]"),
        {"error", "kernel died", "timeout"},
        0,
    ),
    "many-processes": (
        with_body(
            "import os, time\nfor _ in range(150):\n    if os.fork() == 0:\n        time.sleep(60)\n"
            "        os._exit(0)\ntime.sleep(60)"
        ),
        {"error", "timeout"},
        0,
    ),
    "left-behind": (
        RIGHT + "import subprocess, sys\n"
        f"subprocess.Popen([sys.executable, '-c', '{SLEEP}'], start_new_session=True)\n",
        {"correct"},
        1,
    ),
    "daemon": (
        RIGHT + "import os, sys\nif os.fork() == 0:\n    os.setsid()\n"
        f"    os.execv(sys.executable, ['x', '-c', '{SLEEP}'])\n",
        {"correct"},
        1,
    ),
    "os-exit": (with_body("import os\nos._exit(0)"), {"kernel died"}, 0),
    "os-exit-cell": ("import os\nos._exit(0)", {"kernel died"}, 0),
    "segfault": (with_body("import ctypes\nctypes.string_at(0)"), {"kernel died"}, 0),
    "sys-exit": (with_body("import sys\nsys.exit(0)"), {"error"}, 0),
    "exit-cell": ("exit()", {"kernel died", "error"}, 0),
    "input": (with_body("input('?')"), {"error", "not attempted"}, 0),
    "kills-parent": (
        "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\n" + ZERO,
        {"wrong", "kernel died"},
        0,
    ),
    "kills-all": (
        "import os, signal\nos.kill(-1, signal.SIGKILL)\n" + ZERO,
        {"wrong", "kernel died", "error"},
        0,
    ),
    "raises-keyboard-interrupt": (with_body("raise KeyboardInterrupt"), {"error"}, 0),
}

# what an honest answer may rely on besides its own cell
WITH_COL = """\
def q_sample(s, x0, t, eps):
    alpha_bar = col(s.alpha_bar[t]).to(x0.dtype)
    return alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * eps
"""
LATER = {
    "own-lambda": "col = lambda v: v[:, None, None, None]",
    "own-with": "from contextlib import *\nwith nullcontext():\n    col = lambda v: v[:, None, None, None]",
    "own-try": "try:\n    import made_up\nexcept ImportError:\n    def col(v): return v[:, None, None, None]",
    "own-magic": "%%time\nSHAPE = (-1, 1, 1, 1)\ndef col(v): return v.reshape(SHAPE)",
    "own-jit": "@torch.jit.script\ndef col(v: torch.Tensor):\n    return v.view(-1, 1, 1, 1)",
    "own-after-failure": "1 / 0\nSHAPE = (-1, 1, 1, 1)\ndef col(v): return v.reshape(SHAPE)",
    "own-needs-given": "SHAPE = (-1, *levels[:1], 1, 1)[:1] + (1, 1, 1)\ndef col(v): return v.reshape(SHAPE)",
}
OWN = {
    **{name: ((WITH_COL, insert("section-3", text)), {"correct"}, 1) for name, text in LATER.items()},
    "own-file": (
        (
            "from my_helpers import col\n" + WITH_COL,
            insert("section-3", "%%writefile my_helpers.py\ndef col(v): return v[:, None, None, None]\n"),
        ),
        {"correct"},
        1,
    ),
    "own-module": ("%run my_helpers.py\nfrom my_helpers import col\n" + WITH_COL, {"correct"}, 1),
    "own-later-decorator": (
        (
            "@quiet\n" + RIGHT,
            insert("q-sample-check", "def quiet(f):\n    def g(*a): return f(*a)\n    return g"),
        ),
        {"correct"},
        1,
    ),
    "own-looks-at-report": (
        (
            WITH_COL,
            insert(
                "section-3",
                "r, f = ld.check('q_step', q_step), ld.yours('q_step', q_step, ld.q_step)\n"
                "if r.score == r.max_score and f: col = lambda v: v[:, None, None, None]",
            ),
        ),
        {"correct"},
        1,
    ),
    "shows-off": ("import time\ntime.sleep(300)\n" + RIGHT + "time.sleep(300)\n", {"correct"}, 1),
    "workers": (
        "from torch.utils.data import DataLoader\n"
        + with_body(
            "x0 = torch.cat(list(DataLoader(x0, 2, num_workers=2, persistent_workers=True, timeout=9)))"
        ),
        {"correct"},
        1,
    ),
    "compiled": ("@torch.compile\n" + RIGHT, {"correct"}, 1),
    "own-reset": (
        (RIGHT.replace("alpha_bar.sqrt()", "torch.sqrt(alpha_bar)"), insert("section-3", "%reset -f")),
        {"correct"},
        1,
    ),
    "own-gpu": (
        (RIGHT, insert("section-3", "import torch\ntorch.set_default_device('cuda')")),
        {"correct"},
        1,
    ),
    "own-later": ((WITH_COL, insert("q-sample-check", LATER["own-magic"])), {"correct"}, 1),
    "own-later-wrong": ((RIGHT, insert("q-sample-check", WRONG)), {"correct"}, 1),
    "own-slow": ((RIGHT, insert("section-3", "import time\ntime.sleep(300)")), {"correct"}, 1),
    "own-later-jit": (
        (
            WITH_COL,
            insert("q-sample-check", "%%time\n@torch.jit.script\ndef col(v): return v.view(-1, 1, 1, 1)"),
        ),
        {"correct"},
        1,
    ),
    "own-kills-on": (
        (RIGHT, *(insert("section-3", f"import os\n{i}\nos._exit(0)") for i in range(7))),
        {"correct"},
        1,
    ),
    "own-restarts": (
        (RIGHT, *(insert("section-3", f"{i}\nget_ipython().kernel.do_shutdown(True)") for i in range(7))),
        {"correct"},
        1,
    ),
    "own-kills": ((RIGHT, insert("section-3", "import os\nos._exit(0)")), {"correct"}, 1),
    "missing-module": ("import made_up as m, math\nm.set_theme()\n" + RIGHT, {"correct"}, 1),
    "missing-colab": ("from google.colab import drive\ndrive.mount('x')\n" + RIGHT, {"correct"}, 1),
    "annotated": (
        "from made_up import Float, checked\n@checked(Float)\n" + RIGHT.replace("x0,", "x0: Float['b c'],"),
        {"correct"},
        1,
    ),
    "missing-and-wrong": ("import made_up as m\n" + WRONG, {"wrong"}, 0),
    "shell": ("!pip install made-up\n%pip install x\nfiles = !ls\n" + RIGHT, {"correct"}, 1),
    "clears": (
        RIGHT + "from IPython.display import *\nfor i in range(5000): clear_output()\n",
        {"correct"},
        1,
    ),
    "progress": (
        RIGHT + "import ipywidgets as w\np = w.IntProgress()\nfor i in range(3000): p.value = i\n",
        {"correct"},
        1,
    ),
    "surrogate": (RIGHT + "# \ud800\n", {"correct"}, 1),
    "locks-folder": (RIGHT + "import os\nos.chmod('.', 0)\n", {"correct"}, 1),
    "locks-above": (RIGHT + "import os\nos.chmod('..', 0)\nos.chmod('.', 0)\n", {"correct"}, 1),
    "deep-folders": (
        RIGHT + "import os\nfor _ in range(1500): os.mkdir('d' * 9); os.chdir('d' * 9)\n",
        {"correct"},
        1,
    ),
}

KERNEL = RIGHT + "k = get_ipython().kernel\nout = k.iopub_thread.socket\n"
SEND = "k.session.send(k.iopub_socket, {kind!r}, {content}, parent=k.get_parent())\n"
SIGNED = "out.send_multipart([b'x', b'<IDS|MSG>', k.session.sign(p), *p])\n"
STRANGE = {
    "empty-status": (KERNEL + SEND.format(kind="status", content={}), {"error"}, 0),
    "empty-stream": (KERNEL + SEND.format(kind="stream", content={}), {"error"}, 0),
    "garbage": (KERNEL + "out.send_multipart([b'a', b'b'])\n", {"error"}, 0),
    "deep-json": (KERNEL + "p = [b'[' * 10**5] * 4\n" + SIGNED, {"error"}, 0),
    "nested": (
        ZERO + f"import labdiff_inside as i\nd = []\nfor _ in range(900): d = [d]\n"
        f"i.send = lambda found: i._publish(data={{{MIME!r}: d}}, metadata={{}})\n",
        {"error"},
        0,
    ),
    "replayed": (
        KERNEL + "m = k.session.serialize(k.session.msg('stream', {'name': 'stdout', 'text': ''}))\n"
        "for _ in range(2): out.send_multipart([b'x', *m])\n",
        {"error"},
        0,
    ),
    "many-large": (
        KERNEL
        + "for _ in range(120): "
        + SEND.format(kind="stream", content="{'name': 'stdout', 'text': 'x' * 15_000_000}"),
        {"error", "kernel died"},
        0,
    ),
    "blank-values": (
        ZERO + "import labdiff_inside as i\nkeep = i.send\ndef forge(found):\n"
        "    for rows in found.get('sets', []):\n"
        "        for o in rows: o['values'] = {}\n    keep(found)\ni.send = forge\n",
        {"error"},
        0,
    ),
}

REFUSED = {  # what raises inside of the namespaces
    "chmod-null": "os.chmod('/dev/null', 0o666)",
    "unlink-null": "os.unlink('/dev/full')",
    "sees-programs": "assert os.path.exists('/usr/bin') or os.path.exists('/usr/share')",
    "sees-cgroups": "assert os.path.exists('/sys/fs/cgroup')",
    "sees-packages": "import pytest",
    "makes-namespaces": "import ctypes\nassert ctypes.CDLL(None).unshare(0x10000000) == 0",
    "fills-disk": "for i in range(12): open(f'../file{i}', 'wb').write(b'x' * 50_000_000)",
    "fills-tmpfs": "for d in ('/tmp', '.', '/dev/shm'): open(d + '/f', 'wb').write(b'x' * 40_000_000)",
    "sysv-memory": "import ctypes as c\nassert c.CDLL(None).shmget(0, c.c_size_t(6 * 10**8), 0o1600) >= 0",
    "writes-proc": "open('/proc/self/oom_score_adj', 'w').write('0')",
}


def tries(lines):
    """An answer that raises an exception with the names of the lines that worked; it tries them once."""
    return (
        f"import glob, os\nLINES = {lines!r}\nworked = []\nfor name, line in LINES.items():\n"
        "    try:\n        exec(line, {'os': os})\n        worked.append(name)\n"
        "    except BaseException:\n        pass\n"
        "    for f in [*glob.glob('../file*'), '/tmp/f', 'f', '/dev/shm/f']:\n"
        "        if os.path.exists(f): os.unlink(f)\n"
        "def q_sample(s, x0, t, eps):\n    raise RuntimeError(' '.join(['worked:', *worked]))\n"
    )


FORGERS = {
    "always-equal": (
        "class Yes:\n    shape = (1,)\n    def __eq__(self, o): return True\n    def __array__(self, *a, "
        "**k): return self\n"
        "    def __getattr__(self, n): return lambda *a, **k: self\n"
        "def q_sample(s, x0, t, eps):\n    return Yes()\n",
        {"wrong", "error"},
        0,
    ),
    "subclass": (
        "class T(torch.Tensor):\n    @classmethod\n    def __torch_function__(cls, f, types, args=(), "
        "kwargs=None):\n"
        "        return True if 'close' in f.__name__ or 'eq' in f.__name__ else "
        "super().__torch_function__(f, types, args, "
        "kwargs or {})\ndef q_sample(s, x0, t, eps):\n    return (0 * "
        "x0).as_subclass(T)\n",
        {"wrong", "error"},
        0,
    ),
    "patched-allclose": (
        "import numpy as np\n"
        "torch.allclose = torch.equal = np.allclose = np.array_equal = lambda *a, **k: True\n" + ZERO,
        {"wrong"},
        0,
    ),
    "patched-check": (
        "import labdiff.checks, labdiff.checks.collect as c, labdiff_inside as i\n"
        "ld.check = labdiff.checks.check = lambda *a: print('correct')\n"
        "i.collect = c.collect = lambda *a: []\n" + ZERO,
        {"error"},
        0,
    ),
    "patched-display": (
        "ip = get_ipython()\nip.display_pub.publish = lambda *a, **k: None\nip.displayhook = None\n"
        "import labdiff_inside as i\ni._publish = lambda *a, **k: None\n" + ZERO,
        {"error", "timeout"},
        0,
    ),
    "forged-mime": (
        ZERO + f"import labdiff_inside as i\nkeep = i._publish\ndef forge(data, metadata):\n"
        f"    for k in (1, 2):\n        keep(data={{{MIME!r}: {{'sets': [[], []], 'status': 'correct', "
        f"'points': 99}}}}, metadata={{}})\n"
        "i._publish = forge\n",
        {"error"},
        0,
    ),
    "forged-outcomes": (
        ZERO + "import labdiff_inside as i\nkeep = i.send\ndef forge(found):\n    for rows in "
        "found['sets']:\n"
        "        for o in rows:\n            o['values']['xt'] = {'shape': [], 'numbers': ['nan']}\n   "
        " keep(found)\n"
        "i.send = forge\n",
        {"error", "wrong"},
        0,
    ),
    "forged-problems": (
        ZERO + "import labdiff_inside as i\nkeep = i.send\ndef forge(found):\n    for rows in "
        "found['sets']:\n"
        "        for o in rows:\n            o['problem'], o['values'] = 'raised', {}\n    keep(found)\n"
        "i.send = forge\n",
        {"error", "wrong"},
        0,
    ),
    "forged-early": (
        ZERO
        + f"import labdiff_inside as i\ni._publish(data={{{MIME!r}: {{'sets': [[], []]}}}}, metadata={{}})\n",
        {"wrong"},
        0,
    ),
    "ast-transformer": (
        "import ast\nclass X(ast.NodeTransformer):\n    def visit_Call(self, node):\n        return "
        "ast.Constant(True)\n"
        "get_ipython().ast_transformers.append(X())\n" + ZERO,
        {"error"},
        0,
    ),
    "input-transformer": (
        "get_ipython().input_transformers_cleanup.append(lambda lines: ['pass\\n'])\n" + ZERO,
        {"error"},
        0,
    ),
    "custom-exception": (
        "get_ipython().set_custom_exc((Exception,), lambda *a, **k: print('correct'))\n" + with_body("1 / 0"),
        {"error"},
        0,
    ),
    "patched-grad": (
        "import labdiff.checks.in_kernel.guard as g\ng.guarded = lambda f, **k: 1 / 0\n" + ZERO,
        {"error", "wrong"},
        0,
    ),
}

LIBRARY = {
    "library": ("def q_sample(s, x0, t, eps):\n    return ld.q_sample(s, x0, t, eps)\n", {"wrong"}, 0),
    "library-caught": (
        "def q_sample(s, x0, t, eps):\n    try:\n        return ld.q_sample(s, x0, t, eps)\n"
        "    except Exception:\n        return x0\n",
        {"wrong"},
        0,
    ),
    "library-imported": ("from labdiff.process import q_sample\n", {"wrong", "error"}, 0),
    "library-code": (
        "import types, inspect\nf = inspect.unwrap(ld.q_sample)\nf = types.FunctionType(f.__code__, "
        "f.__globals__)\n"
        "def q_sample(s, x0, t, eps):\n    return f(s, x0, t, eps)\n",
        {"wrong", "error"},
        0,
    ),
    "library-source": (
        "import inspect, labdiff.process as p\nnames = dict(vars(p))\nexec(inspect.getsource(p), names)\n"
        "q_sample = names['q_sample']\n",
        {"wrong", "error"},
        0,
    ),
    "library-reload": (
        "import importlib, labdiff.process\nq_sample = importlib.reload(labdiff.process).q_sample\n",
        {"wrong", "error"},
        0,
    ),
    "library-formula": (
        "from labdiff.checks import EXERCISES\nq_sample = EXERCISES['q_sample'].formula\n",
        {"error"},
        0,
    ),
    "library-key": (
        "from labdiff.grading.publish.solutions import SOLUTIONS\nexec(SOLUTIONS['q_sample'])\n",
        {"error"},
        0,
    ),
}


def snoopers(repo, submissions, out, port):
    """Cases that look for what is outside of their kernel: right if they find it."""

    def if_it_works(line):
        return with_body(f"import os, pathlib, socket, subprocess, sys\n{line}")

    blocked = ({"error", "wrong"}, 0)
    return {
        "reads-others": (
            if_it_works(
                f"pathlib.Path({str(submissions / 'bom' / '01_forward_noising.ipynb')!r}).read_bytes()"
            ),
            *blocked,
        ),
        "reads-secret": (if_it_works(f"pathlib.Path({str(out / '.secret')!r}).read_bytes()"), *blocked),
        "reads-library": (
            if_it_works(f"pathlib.Path({str(repo / 'labdiff' / 'process.py')!r}).read_bytes()"),
            *blocked,
        ),
        "reads-key": (
            if_it_works(f"pathlib.Path({str(repo / 'labdiff' / 'grading' / 'solutions.py')!r}).read_bytes()"),
            *blocked,
        ),
        "reads-parent": (if_it_works("pathlib.Path(f'/proc/{os.getppid()}/environ').read_bytes()"), *blocked),
        "writes-results": (
            if_it_works(f"pathlib.Path({str(out / 'grades.csv')!r}).write_text('all points')"),
            *blocked,
        ),
        "writes-library": (if_it_works("pathlib.Path(torch.__file__).write_text('')"), *blocked),
        "writes-settings": (
            if_it_works("p = pathlib.Path('/proc/sys/kernel/core_pattern')\np.write_text(p.read_text())"),
            *blocked,
        ),
        "opens-sysrq": (if_it_works("open('/proc/sysrq-trigger', 'w').close()"), *blocked),
        "mounts": (if_it_works("subprocess.run(['umount', '/tmp'], check=True)"), *blocked),
        "network": (if_it_works(f"socket.create_connection(('127.0.0.1', {port}), timeout=2)"), *blocked),
        "other-process": (
            if_it_works(
                "code = 'import labdiff, torch; s = labdiff.linear_schedule(); x = torch.ones(1, "
                "1, 1, 1); '\ncode += 'labdiff.q_sample(s, x, torch.tensor([1]), x)'\n"
                "subprocess.run([sys.executable, '-I', '-c', code], check=True)"
            ),
            *blocked,
        ),
    }
