"""The shipped network in the site: its graph, its weights and its runtime as scripts, for fetch() reads no file://."""

import base64
import contextlib
import gzip
import hashlib
import io
import logging
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterable
from pathlib import Path

import torch

from labdiff.pretrained import load_pretrained
from labdiff.site import npm
from labdiff.unet import UNet
from labdiff.widgets.in_browser import fingerprint

FOLDER = "network"  # beside the pages
LARGEST_BATCH = 255  # what the U-Net computes in one go on a CPU
PART = 1_000_000  # characters of a script: so the page can tell how far it is
LARGE = 64  # numbers, from which on an array is stored in half precision


def put_network(out: Path, wanted: Iterable[str], net: UNet | None = None) -> dict | None:
    """Write the shipped network into OUT/network, for the panels that can use it.

    Args:
        out: the site's folder.
        wanted: fingerprint() of the networks that the panels have.
        net: another network than the shipped one.

    Returns: for network.js, {"parts": {name: [file, ...]}, "weights": {fingerprint: {...}}}; None where no
        panel has the network, or where node, npm or onnx is missing, after a word on stderr.
    """
    net = net or load_pretrained()[0]
    name = fingerprint(net)
    if name not in set(wanted) or npm.modules() is None:
        return None
    cached = npm.cache() / f"network-{name}-{_version()}"
    if not cached.is_dir():
        try:
            graph = onnx_of(net)
        except ImportError as error:
            print(
                f"site: {error}. Panels that need the network stand still: pip install 'labdiff[site]'",
                file=sys.stderr,
            )
            return None
        with tempfile.TemporaryDirectory(dir=cached.parent) as started:
            new = Path(started) / "network"
            new.mkdir()
            _write_scripts(new, graph)
            if not cached.is_dir():
                new.rename(cached)
    shutil.copytree(cached, out / FOLDER, dirs_exist_ok=True)
    parts = {}
    for path in sorted(cached.glob("*.js")):
        parts.setdefault(path.name.split(".")[0], []).append(f"{FOLDER}/{path.name}")
    return {"parts": parts, "weights": {name: {"part": "weights", "classes": net.classes}}}


def onnx_of(net: UNet) -> bytes:
    """The network as an ONNX graph (x, t[, label]) -> eps_hat for any batch, its weights in half precision.

    Raises: ImportError: onnx or onnxscript is missing.
    """
    import onnx
    import onnxscript  # noqa: F401 - torch needs it, and says so less clearly

    channels = net.stem.in_channels // 4  # 2x2 pixels are folded into channels
    size = 28 if channels == 1 else 32
    x, t = torch.zeros(3, channels, size, size), torch.tensor([1, 2, 3])
    given = {"x": x, "t": t} | ({} if net.classes is None else {"label": torch.tensor([0, 1, 2])})
    batch = torch.export.Dim("batch", min=1, max=LARGEST_BATCH)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    said = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(said), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            net.eval(),
            tuple(given.values()),
            dynamo=True,
            verbose=False,
            input_names=list(given),
            output_names=["eps_hat"],
            dynamic_shapes={name: {0: batch} for name in given},
        )
    assert program is not None  # it is, with dynamo=True
    model = program.model_proto
    in_halves(model, onnx)
    return model.SerializeToString()


def in_halves(model, onnx) -> None:
    """Store what float16 holds exactly as float16, cast up when the graph is loaded: it computes in float32.

    The shipped weights are rounded to float16, so no number changes; tables that are not keep their float32.
    """
    casts = []
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype != "float32" or values.size < LARGE or (values.astype("float16") != values).any():
            continue
        name = tensor.name
        tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype("float16"), f"{name}_half"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _write_scripts(folder: Path, graph: bytes) -> None:
    dist = npm.package("onnxruntime-web") / "dist"
    files = {
        "runtime": (dist / "ort.wasm.bundle.min.mjs").read_bytes(),
        "wasm": (dist / "ort-wasm-simd-threaded.wasm").read_bytes(),
        "weights": graph,
    }
    for name, data in files.items():
        text = base64.b64encode(gzip.compress(data, 9, mtime=0)).decode()
        for i in range(0, len(text), PART):
            script = f'labdiffPart("{name}", "{text[i : i + PART]}");\n'
            (folder / f"{name}.{i // PART:02d}.js").write_text(script, "ascii")


def _version() -> str:
    """What the scripts depend on beside the weights."""
    lock = (npm.WEB / "package-lock.json").read_bytes() + Path(__file__).read_bytes()
    return hashlib.sha256(lock + torch.__version__.encode()).hexdigest()[:8]
