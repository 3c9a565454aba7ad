"""Who imports whom, what `import labdiff` costs, and what the install files say."""

import ast
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import labdiff as ld

ROOT = Path(__file__).parents[1]
PACKAGE = Path(ld.__file__).parent
MODULES = {path.stem: path for path in PACKAGE.glob("*.py") if path.stem != "__init__"}
MODULES |= {"train": PACKAGE / "train" / "__init__.py", "train.__main__": PACKAGE / "train" / "__main__.py"}

# module: the modules of labdiff that it may import, besides the argument checks in _contract
ARROWS = {
    "_contract": {"schedule"},
    "schedule": set(),
    "unet": set(),
    "data": set(),
    "device": set(),
    "process": {"schedule"},
    "objective": {"process", "schedule"},
    "checkpoint": {"schedule"},
    "train": {"checkpoint", "objective", "process", "schedule"},
    "train.__main__": {"checkpoint", "data", "device", "pretrained", "schedule", "train", "unet"},
    "sample": {"objective", "process", "schedule"},
    "pretrained": {"data", "schedule", "unet"},
    "plot": set(),
    "widgets": {"data", "plot", "process", "sample", "schedule"},
    "checks": {"objective", "process", "sample", "schedule", "train", "unet"},  # some only to block them
}
# module: the packages that only it and its like may import
ONLY = {
    "matplotlib": {"plot"},
    "ipywidgets": {"widgets"},
    "anywidget": {"widgets"},
    "IPython": {"checks", "grading", "widgets"},
    "nbval": {"grading"},
    "nbformat": {"grading"},
    "torchvision": {"data"},
}


def imports(path):
    """Dotted names of all that a file imports, at its top and inside its functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "labdiff." * (node.level > 0) + (node.module or "")
            yield module.rstrip(".")
            if module.rstrip(".") == "labdiff":
                yield from (f"labdiff.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("module", sorted(ARROWS))
def test_the_arrows(module):
    files = [MODULES[module]] if module in MODULES else list((PACKAGE / module).rglob("*.py"))
    named = {name for file in files for name in imports(file)}
    assert (
        "labdiff" not in named or module not in MODULES
    )  # the package as a whole would be an arrow to everything
    inner = {name.split(".")[1] for name in named if name.startswith("labdiff.")}
    assert files and inner - {"_contract", module} <= ARROWS[module]


def test_every_package_has_its_place():
    for path in PACKAGE.rglob("*.py"):
        top = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        outer = {name.split(".")[0] for name in imports(path)}
        wrong = [name for name in outer & ONLY.keys() if top not in ONLY[name]]
        assert wrong == [], f"{path.name} imports {wrong}"


def test_the_math_core_knows_torch_and_the_standard_library_only():
    for module in ("schedule", "process", "objective", "unet", "train", "sample"):
        used = {name.split(".")[0] for name in imports(MODULES[module])}
        assert used - set(sys.stdlib_module_names) <= {"torch", "labdiff"}


def test_no_module_is_thick():
    core = ("schedule", "process", "sample", "train", "unet")
    lines = [len(MODULES[name].read_text().splitlines()) for name in core]
    assert max(lines) <= 200 and sum(lines) <= 800


def test_the_tab_key_finds_what_is_imported_late():
    assert {"plot", "widgets", "check", "q_sample"} <= set(dir(ld))


def test_nothing_names_a_device():
    for path in PACKAGE.rglob("*.py"):
        assert ".cuda()" not in path.read_text(), path


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def fresh_imports():
    """What three fresh processes say after `import torch`: seconds that labdiff adds, and the modules that it adds."""
    code = (
        "import sys, time, torch; before = set(sys.modules); a = time.perf_counter(); import labdiff as ld;"
        "print(time.perf_counter() - a); ld.linear_schedule(); ld.UNet(8); print(*sorted(sys.modules.keys() - before))"
    )
    return [run(code).split("\n") for _ in range(3)]


def test_import_costs_little_beside_torch(fresh_imports):
    assert statistics.median(float(seconds) for seconds, _ in fresh_imports) < 0.3


def test_what_is_not_needed_is_not_imported(fresh_imports):
    heavy = {"matplotlib", "ipywidgets", "torchvision", "IPython", "PIL", "nbval", "diffusers"}
    assert heavy.isdisjoint(fresh_imports[0][1].split())


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'labdiff' has no attribute 'q_sampel'"):
        getattr(ld, "q_sampel")


def test_public_names_have_docstrings_that_name_their_parts():
    """One sentence; Args with shapes; Returns or Yields; Raises; Source (a class: Source or Attributes)."""
    for name in (
        "q_step",
        "q_sample",
        "q_posterior",
        "predict_x0",
        "p_mean",
        "normal_kl",
        "eps_weight",
        "eps_loss",
        "elbo",
        "train",
        "ddpm_steps",
        "ddim_steps",
        "dpm_steps",
        "sample",
        "linear_schedule",
        "cosine_schedule",
        "timestep_embedding",
        "load_digits",
    ):
        text = getattr(ld, name).__doc__
        for part in ("Args:", "Raises:", "Source:"):
            assert part in text, (name, part)
        assert "Returns:" in text or "Yields:" in text, name


pyproject = (ROOT / "pyproject.toml").read_text()


def test_the_python_that_runs_this_is_one_that_is_promised():
    least = re.search(r'requires-python = ">=(\d+)\.(\d+)"', pyproject)
    assert least and tuple(map(int, least.groups())) == (3, 10) <= sys.version_info[:2]
    for path in [*PACKAGE.rglob("*.py"), *(ROOT / "tests").glob("*.py")]:
        ast.parse(path.read_text(), feature_version=(3, 10))


def test_what_the_core_imports_is_declared():
    declared = re.search(r"dependencies = \[(.*?)\]", pyproject, re.S).group(1)
    declared = set(re.findall(r'"([A-Za-z0-9_.-]+)[^"]*"', declared))
    for module, path in MODULES.items():
        used = {name.split(".")[0].replace("PIL", "pillow") for name in imports(path)}
        used -= set(sys.stdlib_module_names) | {"labdiff"}
        assert used <= declared, module


def test_environment_yml_leaves_versions_to_pyproject():
    path = ROOT / "environment.yml"
    assert path.exists(), "the conda face of the environment is missing"
    entries = [line.strip() for line in path.read_text().splitlines() if line.strip().startswith("- ")]
    pip_lines = [e[2:].strip() for e in entries if "-e" in e]
    assert pip_lines == ["-e .[lab,test]"] or pip_lines == ['"-e .[lab,test]"'], entries
    others = {re.match(r"[a-z0-9-]+", e[2:]).group() for e in entries if "-e" not in e}
    assert others <= {"conda-forge", "defaults", "python", "pip"} and {"python", "pip"} <= others
    for extra in ("lab", "test"):
        assert re.search(rf"^{extra} = \[", pyproject, re.M)
