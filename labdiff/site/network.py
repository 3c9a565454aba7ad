"""Networks in the site: their graphs, weights and runtime as scripts, for fetch() reads no file://."""

import base64
import contextlib
import copy
import functools
import gzip
import hashlib
import io
import logging
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Collection, Iterable
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


def put_network(out: Path, wanted: Collection[str], nets: Iterable[UNet] | None = None) -> dict | None:
    """Write networks and their runtime into OUT/network, for the panels that can use them.

    Args:
        out: the site's folder.
        wanted: fingerprint() of the networks that the panels have.
        nets: those that there are; default the shipped one.

    Returns: for network.js, {"parts": {name: [file, ...]}, "weights": {fingerprint: {...}}}; None where no
        panel has such a network, or where node, npm or onnx is missing, after a word on stderr.
    """
    for old in (out / FOLDER).glob("weights*.js"):  # of an earlier run; each training gives another network
        old.unlink()
    shipped = load_pretrained()[0]
    found = {fingerprint(net): net for net in nets or [shipped]}
    found = {name: net for name, net in found.items() if name in wanted}
    if not found or npm.modules() is None:
        return None
    dist, shared = npm.package("onnxruntime-web") / "dist", f"runtime-{_version()}"
    parts = _put(
        out,
        shared,
        lambda: {
            "runtime": (dist / "ort.wasm.bundle.min.mjs").read_bytes(),
            "wasm": (dist / "ort-wasm-simd-threaded.wasm").read_bytes(),
        },
    )
    weights = {}
    for name, net in found.items():
        part = f"weights-{name}"
        try:
            cache = f"network-{name}-{_version()}" if name == fingerprint(shipped) else None
            parts |= _put(out, cache, functools.partial(_graph, part, net))
        except ImportError as error:
            print(
                f"site: {error}. Panels that need the network stand still: pip install 'labdiff[site]'",
                file=sys.stderr,
            )
            return None
        weights[name] = {"part": part, "classes": net.classes}
    return {"parts": parts, "weights": weights}


def kept(folder: Path) -> list[UNet]:
    """The networks that panels left in a folder, see in_browser.KEEP."""
    nets = []
    for path in sorted(folder.glob("*.pt")):
        about = torch.load(path, map_location="cpu", weights_only=True)
        net = UNet(**about["config"])
        net.load_state_dict(about["state"])
        nets.append(net.eval())
    return nets


def _put(out: Path, cache: str | None, make: Callable[[], dict[str, bytes]]) -> dict[str, list[str]]:
    """Scripts with {part: data} of make() in OUT/network: {part: [file, ...]}. With a name, made once."""
    with tempfile.TemporaryDirectory(dir=npm.cache()) as started:
        scripts = npm.cache() / cache if cache else Path(started) / "made"
        if not scripts.is_dir():
            new = Path(started) / "new"
            new.mkdir()
            for part, data in make().items():
                _write_scripts(new, part, data)
            if not scripts.is_dir():
                new.rename(scripts)
        shutil.copytree(scripts, out / FOLDER, dirs_exist_ok=True)
        files = {}
        for path in sorted(scripts.glob("*.js")):
            files.setdefault(path.name.split(".")[0], []).append(f"{FOLDER}/{path.name}")
    return files


def _graph(part: str, net: UNet) -> dict[str, bytes]:
    return {part: onnx_of(net)}


def onnx_of(net: UNet) -> bytes:
    """The network as an ONNX graph (x, t[, label]) -> eps_hat for any batch, its weights in half precision.

    The shipped weights are rounded to it already, so that no number changes; those of another network are
    rounded here, which moves its eps_hat by less than what one sees.

    Raises: ImportError: onnx or onnxscript is missing.
    """
    import onnx
    import onnxscript  # noqa: F401 - torch needs it, and says so less clearly

    net = copy.deepcopy(net).eval()
    with torch.no_grad():
        for weights in net.parameters():
            weights.copy_(weights.half())
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
            net,
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

    That is all weights; tables keep their float32.
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


def _write_scripts(folder: Path, part: str, data: bytes) -> None:
    text = base64.b64encode(gzip.compress(data, 9, mtime=0)).decode()
    for i in range(0, len(text), PART):
        script = f'labdiffPart("{part}", "{text[i : i + PART]}");\n'
        (folder / f"{part}.{i // PART:02d}.js").write_text(script, "ascii")


def _version() -> str:
    """What the scripts depend on beside the weights."""
    lock = (npm.WEB / "package-lock.json").read_bytes() + Path(__file__).read_bytes()
    return hashlib.sha256(lock + torch.__version__.encode()).hexdigest()[:8]
