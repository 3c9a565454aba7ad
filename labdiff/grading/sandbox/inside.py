"""What runs inside a student's kernel: run cells, call the function on the probes, send plain numbers.
Nothing is judged here.

This file is copied next to the kernel's own labdiff, from which the exercise's function and all that judges
are taken out."""

import contextlib
import io
import json
import os
import re
import sys
import types
from dataclasses import asdict

import torch
from IPython import get_ipython
from labdiff_cells import DEFINITIONS, PATIENCE, fill_in, run
from labdiff_protocol import MIME, decode, encode_outcome
from torch.utils.data import dataloader

from labdiff.checks.in_kernel import guard, spies
from labdiff.checks.in_kernel.collect import collect
from labdiff.checks.in_kernel.probe import Probe

REST_LIMIT = 30.0  # seconds for all cells that are run late

_shell = get_ipython()
_publish = _shell.display_pub.publish  # before anyone patches it


class Quiet(io.TextIOBase):
    """Discards all that is printed: prints, warnings and progress bars never count."""

    encoding, errors = "utf-8", "replace"

    def writable(self):
        return True

    def write(self, text):
        return len(text)

    def close(self):
        """Nothing: IPython flushes it after each cell."""


def quiet_streams():
    """Also where a cell has put something else there: IPython would fail to flush it, and not reply."""
    sys.stdout = sys.stderr = Quiet()


def quiet():
    """Let no output become a message, run no shell commands, and let no cell end the kernel."""
    import comm

    quiet_streams()
    _shell.ast_node_interactivity = "none"
    _shell.display_pub.publish = _shell.display_pub.clear_output = lambda *args, **kwargs: None
    comm.create_comm = lambda *args, **kwargs: comm.DummyComm(*args, **kwargs)
    _shell.system = _shell.system_piped = _shell.system_raw = lambda command: None
    _shell.getoutput = lambda *args, **kwargs: []
    for name in ("pip", "conda", "mamba", "micromamba", "uv"):
        _shell.register_magic_function(lambda line: None, magic_kind="line", magic_name=name)
    for name in ("bash", "sh", "script", "system", "sx", "!"):
        _shell.register_magic_function(lambda line, cell=None: None, magic_kind="line_cell", magic_name=name)
    _shell.ask_exit = lambda: None
    _shell.kernel.do_shutdown = lambda restart: {"status": "ok", "restart": restart}
    dataloader.DataLoader._get_iterator = without_workers


def without_workers(loader):
    """A DataLoader reads in this process: workers for each probe take longer to start than a probe may."""
    loader.num_workers = loader.timeout = 0
    return dataloader._SingleProcessDataLoaderIter(loader)


def prepare(modules, setup, *given):
    """The student's modules as files, the trusted notebook's setup, and what its cells before the answer
    import and define."""
    for name, source in modules.items():
        os.makedirs(os.path.dirname(f"./{name}"), exist_ok=True)
        with open(name, "w", encoding="utf-8") as file:
            file.write(source)
    quiet()
    run(setup)
    for source in given:
        run(source, only=DEFINITIONS)


def cell(source, function="", limit=None):
    """Run a cell of the student's, and tell how it went."""
    send(asdict(run(source, function, limit=limit)))


def probe(text):
    """Call the student's function on each set of probes, and send what came out."""
    asked = json.loads(text)
    found, clock = call(asked), guard.Clock(REST_LIMIT, PATIENCE)
    for _ in range(5):
        missing = missing_name(found, asked["name"])
        if not missing or not fill_in(missing, asked["rest"], clock):
            break
        found = call(asked)
    send(found)


def go_where_there_is_a_path():
    """Leave a working folder that was deleted, is too deep to have a path, or may not be entered."""
    for place in (os.getcwd, lambda: os.environ["HOME"], lambda: "/"):
        with contextlib.suppress(OSError, KeyError):
            return os.chdir(place())


def missing_name(found, function):
    """The undefined name that the function uses, or its own if that is not defined; else None."""
    if "undefined" in found:
        return function
    messages = [o["message"] for rows in found["sets"] for o in rows if o["kind"] == "NameError"]
    match = re.match(r"name '(\w+)' is not defined", messages[0]) if messages else None
    return match and match[1]


def call(asked):
    function = _shell.user_ns.get(asked["name"])
    if not callable(function):
        return {"undefined": type(function).__name__ if asked["name"] in _shell.user_ns else ""}
    made = asked["call"] and getattr(spies, asked["call"])
    exercise = types.SimpleNamespace(
        arguments=asked["arguments"], outputs=asked["outputs"], call=made, blocked=()
    )
    sets = []
    go_where_there_is_a_path()
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)  # a notebook may have asked for a GPU that is not here
    for rows in asked["sets"]:
        found = collect(exercise, function, [Probe("", tuple(map(decode, row))) for row in rows])
        sets.append(list(map(encode_outcome, found)))
        if found[-1].problem in ("not attempted", "library", "time", "signature"):
            break
    return {"sets": sets}


def send(found):
    quiet_streams()
    _publish(data={MIME: found, "text/plain": "outcomes"}, metadata={})
