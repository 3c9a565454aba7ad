"""The house: who imports whom, how thick files are, what `import labdiff` shows, what install files say."""

import ast
import inspect
import io
import re
import subprocess
import sys
import tokenize
from functools import cache
from importlib.util import resolve_name
from pathlib import Path

import pytest

import labdiff as ld

ROOT = Path(__file__).parents[1]
PACKAGE = Path(ld.__file__).parent
MODULES = {  # dotted name: file
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

# Rooms, from the ground up. A room imports from itself and from the lines above its own in this list; imports
# inside of functions count. A module belongs to the longest name that it begins with.
LAYERS = (
    "signature interrupts",
    "schedule course",
    "device model_argument",
    "arguments",
    "precondition blocks",
    "process unet optimizer data images toys guidance",
    "objective checkpoint trajectory image_folder",
    "gradient_step",
    "sampling training pretrained editing",
    "calls train_call",
    "edge plot",
    "labdiff",  # what `import labdiff as ld` gives
    "checks.in_kernel",
    "checks.exercises",
    "checks.judging",
    "checks",
    "widgets grading.questions",
    "grading.records",
    "grading.gradebook",
    "site grading.intake grading.sandbox grading.publish",
    "grading.run workcopy",
    "grading commands",
    "cli",
    "__main__ grading.__main__",
)
MATH = ("schedule", "process", "objective", "unet", "training", "sampling")

# package: the rooms that may import it; all others do without
ONLY = {
    "matplotlib": {"plot", "widgets", "grading"},  # a grading kernel has it loaded before it needs it
    "ipywidgets": {"widgets"},
    "anywidget": {"widgets"},
    "IPython": {"checks", "grading", "widgets"},
    "nbval": {"grading"},
    "pytest": {"grading"},
    "nbformat": {"grading", "site"},
    "nbconvert": {"site"},
    "nbclient": {"site"},
    "onnx": {"site"},
    "torchvision": {"data"},
}


@cache
def imports(module):
    """Dotted names of all that a module imports, at its top and inside its functions."""
    path, found = MODULES[module], set()
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = (
                resolve_name("." * node.level + (node.module or ""), package) if node.level else node.module
            )
            found |= {
                f"{base}.{alias.name}" if f"{base}.{alias.name}" in MODULES else base for alias in node.names
            }
    return found


def inner(module):
    """The modules of labdiff that a module imports."""
    return {name for name in imports(module) if name in MODULES and name != module}


def room(module):
    """(height, name) of a module's room."""
    rooms = {name: height for height, line in enumerate(LAYERS) for name in line.split()}
    name = module.removeprefix("labdiff.")
    while name not in rooms:
        assert "." in name, f"{module} has no room: name one in LAYERS"
        name = name.rpartition(".")[0]
    return rooms[name], name


def test_arrows_point_down():
    up = [
        f"{module} -> {other}"
        for module in MODULES
        for other in inner(module)
        if room(other)[1] != room(module)[1] and room(other)[0] >= room(module)[0]
    ]
    assert up == []


def test_no_module_imports_itself_by_a_detour():
    def reached(module):
        seen, todo = set(), list(inner(module))
        while todo:
            name = todo.pop()
            if name not in seen:
                seen.add(name)
                todo += inner(name)
        return seen

    assert [module for module in MODULES if module in reached(module)] == []


def test_all_that_labdiff_imports_of_itself_exists():
    for module in MODULES:
        strangers = {n for n in imports(module) if n.split(".")[0] == "labdiff" and n not in MODULES}
        assert strangers == set(), module


def test_every_package_has_its_place():
    for module in MODULES:
        top = module.removeprefix("labdiff.").split(".")[0]
        outer = {name.split(".")[0] for name in imports(module)}
        assert [name for name in outer & ONLY.keys() if top not in ONLY[name]] == [], module


def test_the_math_core_knows_torch_and_the_standard_library_only():
    for name in MATH:
        used = {other.split(".")[0] for other in imports(f"labdiff.{name}")}
        assert used - set(sys.stdlib_module_names) <= {"torch", "labdiff"}


def test_no_file_is_thick():
    lines = {module: len(path.read_text("utf-8").splitlines()) for module, path in MODULES.items()}
    assert {module: n for module, n in lines.items() if n > 200} == {}


def code_lines(source):
    """Lines with code: without docstrings, comments and blank lines."""
    docstrings = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, False):
            docstrings |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    empty = {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    }
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    used = {n for t in tokens if t.type not in empty for n in range(t.start[0], t.end[0] + 1)}
    return len(used - docstrings)


def test_code_lines_are_counted_right():
    source = '"""Doc.\n\nMore."""\n\n# why\nx = """\ntwo\n"""  # and\n\n\n'
    source += 'def f():\n    """Doc."""\n    return (\n        1\n    )\n'
    assert code_lines(source) == 7


def test_the_math_is_read_in_one_sitting():
    count = {name: code_lines(MODULES[f"labdiff.{name}"].read_text("utf-8")) for name in MATH}
    assert sum(count.values()) <= 600, count


def test_dir_shows_the_api_and_nothing_else():
    names = [name for name in dir(ld) if not name.startswith("__")]
    assert len(dir(ld)) <= 40
    assert {"plot", "widgets", "check", "q_sample"} <= set(
        names
    )  # the Tab key finds what is imported late, too
    assert {name for name in names if inspect.ismodule(getattr(ld, name))} == {"plot", "widgets"}
    assert all(
        getattr(ld, name).__module__.startswith("labdiff.")
        for name in names
        if name not in ("plot", "widgets")
    )


def test_no_function_has_the_name_of_a_module():
    """`import labdiff.train` would give the function, and `labdiff.train` be now the one, now the other."""
    for module in MODULES:
        package, _, name = module.rpartition(".")
        tree = ast.parse(MODULES[package].read_text("utf-8")) if package else ast.parse("")
        defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        defined |= {
            a.asname or a.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for a in node.names
            if f"{node.module}.{a.name}" not in MODULES
        }
        assert name not in defined, module


def test_no_formula_hides_behind_its_checks():
    assert [module for module, path in MODULES.items() if "__wrapped__" in path.read_text("utf-8")] == []


def public():
    """The functions and classes that a user calls, by name."""
    for name in dir(ld):
        thing = getattr(ld, name)
        if not name.startswith("__") and not inspect.ismodule(thing):
            yield name, thing
    for module in (ld.plot, ld.widgets):
        for name, thing in vars(module).items():
            if not name.startswith("_") and getattr(thing, "__module__", "").startswith(module.__name__):
                yield f"{module.__name__.split('.')[1]}.{name}", thing


@pytest.mark.parametrize(
    "name, thing", [pytest.param(n, t, id=n) for n, t in public() if inspect.isfunction(t)]
)
def test_public_functions_have_type_hints(name, thing):
    signature = inspect.signature(thing)
    bare = [p.name for p in signature.parameters.values() if p.annotation is p.empty]
    assert bare == [] and signature.return_annotation is not signature.empty, name


def test_no_module_is_exempt_from_the_type_checker():
    assert "ignore_errors" not in pyproject
    exempt = re.compile(r"type: ignore|mypy: ignore")
    assert [module for module, path in MODULES.items() if exempt.search(path.read_text("utf-8"))] == []


def test_nothing_names_a_device():
    for path in PACKAGE.rglob("*.py"):
        assert ".cuda()" not in path.read_text("utf-8"), path


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def fresh_import():
    """The modules that labdiff adds to a fresh process after `import torch`."""
    return run(
        "import sys, torch; before = set(sys.modules)\n"
        "import labdiff as ld; ld.linear_schedule(); ld.UNet(8)\n"
        "print(*sorted(sys.modules.keys() - before))"
    ).split()


def test_what_is_not_needed_is_not_imported(fresh_import):
    heavy = {
        "matplotlib",
        "ipywidgets",
        "torchvision",
        "IPython",
        "PIL",
        "nbval",
        "diffusers",
        "jinja2",
        "argparse",
    }
    assert "labdiff.schedule" in fresh_import and heavy.isdisjoint(fresh_import)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'labdiff' has no attribute 'q_sampel'"):
        getattr(ld, "q_sampel")  # noqa: B009


def test_public_names_have_docstrings_that_name_their_parts():
    """One sentence; Args with shapes; Returns or Yields; Raises; Source."""
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


# ---- the install files ----

pyproject = (ROOT / "pyproject.toml").read_text("utf-8")
WORKFLOWS = sorted([*ROOT.glob(".github/workflows/*.yml"), *ROOT.glob("templates/github/*.yml")])


def declared(name):
    """Names of the packages in a list of pyproject.toml."""
    text = re.search(rf"^{name} = \[(.*?)\]$", pyproject, re.S | re.M).group(1)
    return set(re.findall(r'"([A-Za-z0-9_-]+)(?:\[[^"]*\])?[^"]*"', text))


def test_the_python_that_runs_this_is_one_that_is_promised():
    least = re.search(r'requires-python = ">=(\d+)\.(\d+)"', pyproject)
    assert least and tuple(map(int, least.groups())) == (3, 10) <= sys.version_info[:2]
    for path in [*PACKAGE.rglob("*.py"), *(ROOT / "tests").glob("*.py")]:
        ast.parse(path.read_text("utf-8"), feature_version=(3, 10))


@pytest.mark.parametrize("top", sorted({module.split(".")[1] for module in MODULES if "." in module}))
def test_what_is_imported_is_declared(top):
    also = {"grading": "grading", "site": "site"}.get(top)
    known = declared("dependencies") | (declared(also) if also else set())
    known |= {"tomllib"}  # in Python from 3.11 on
    known |= {"pygments", "traitlets", "IPython"}  # nbconvert and ipywidgets are built on them
    sandbox = {path.stem for path in (PACKAGE / "grading" / "sandbox").glob("*.py")}
    known |= sandbox | {f"labdiff_{stem}" for stem in sandbox}  # run as files of one folder, or in a kernel
    names = {"PIL": "pillow", "zmq": "pyzmq", "jupyter_client": "jupyter-client"}
    for module in MODULES:
        if module.split(".")[1:2] == [top]:
            used = (
                {name.split(".")[0] for name in imports(module)} - set(sys.stdlib_module_names) - {"labdiff"}
            )
            assert {names.get(name, name) for name in used} <= known, module


def test_environment_yml_leaves_versions_to_pyproject():
    text = (ROOT / "environment.yml").read_text("utf-8")
    entries = re.findall(r"^ *- (.*)$", text, re.M)
    assert entries.count("-e .[lab,test]") == 1
    others = {re.match(r"[a-z0-9-]+", entry).group() for entry in entries if "-e" not in entry}
    assert others <= {"conda-forge", "python", "pip"} and {"python", "pip"} <= others
    least = re.search(r'requires-python = "(.*)"', pyproject).group(1)
    assert f"python{least}" in entries
    assert all(declared(extra) for extra in ("lab", "test"))


def test_workflows_follow_the_published_schema():
    assert len(WORKFLOWS) == 3
    schema = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    subprocess.run([*schema, *WORKFLOWS], check=True)


def test_ci_runs_on_the_oldest_and_the_newest_python():
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")
    versions = re.search(r"python-version: \[(.*)\]", text).group(1)
    assert versions == '"3.10", "3.14"' and "run: CPU=1 .ci/run" in text
    run = (ROOT / ".ci" / "run").read_text("utf-8")
    assert run.index("make lint") < run.index("make test") and "export CI=true" in run


def test_no_index_of_packages_is_named():
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True).stdout.split(
        "\0"
    )
    host = re.compile(r"pypi\.|/whl/|npmjs|--(extra-)?index-url")
    texts = [
        path
        for path in map(ROOT.joinpath, filter(None, files))
        if path.suffix in {".md", ".yml", ".toml", ""}
    ]
    assert [path for path in texts if path.is_file() and host.search(path.read_text("utf-8"))] == []


def test_the_wheel_holds_all_that_the_clone_has():
    from hatchling.builders.wheel import WheelBuilder

    held = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    command = ["git", "ls-files", "-z", "labdiff", "notebooks"]
    files = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    wanted = {re.sub("^notebooks/", "labdiff/notebooks/", file) for file in files if file}
    assert wanted - held == set() and "labdiff/notebooks/01_forward_noising.ipynb" in held
