"""What must hold of each committed notebook besides that it runs, which nbval sees to."""

import copy
import itertools
import re
import types
from pathlib import Path

import nbformat
import pytest
import torch
from cell_names import cell_names, needs, spoiled
from solutions import solution

import labdiff as ld

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EXERCISES = {
    "01": ["alpha_bar", "q_step", "q_sample"],
    "02": ["q_posterior", "predict_x0"],
    "03": ["normal_kl", "p_mean", "eps_loss"],
    "04": ["timestep_embedding", "training_step"],
    "05": ["p_step", "ddim_step"],
    "06": ["guided_eps", "inpaint_step", "interpolate", "flow_velocity"],
}

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path, kind=None):
    return [c for c in nbformat.read(path, as_version=4).cells if kind in (None, c.cell_type)]


def text(path, kind):
    return "\n".join(c.source for c in cells(path, kind))


def test_all_are_there():
    assert [path.stem for path in NOTEBOOKS] == [
        "01_forward_noising",
        "02_posterior",
        "03_elbo_to_eps_loss",
        "04_training",
        "05_sampling",
        "06_lets_try",
    ]


@each_notebook
def test_valid_small_and_without_state(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert path.stat().st_size <= 500_000
    assert (
        set(notebook.metadata) == {"kernelspec", "language_info"}
        and notebook.metadata.kernelspec.name == "python3"
    )
    assert all("execution" not in c.metadata for c in notebook.cells)


@each_notebook
def test_outputs_are_committed_and_clean(path):
    """A notebook without outputs would pass nbval whatever it prints."""
    code = cells(path, "code")
    assert [c.execution_count for c in code] == list(range(1, len(code) + 1))
    outputs = [o for c in code for o in c.outputs]
    assert sum("text" in o or "text/plain" in o.get("data", {}) for o in outputs) >= 10
    assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]
    printed = "\n".join(o.get("text", "") + str(o.get("data", {}).get("text/plain", "")) for o in outputs)
    assert not re.search(r"0x[0-9a-f]{6,}|/tmp/|/home/|: False", printed), (
        "an address, a path, or a claim that failed"
    )


@each_notebook
def test_cells_that_nbval_ignores_say_so(path):
    before = ""
    for c in cells(path):
        if "nbval-ignore-output" in c.metadata.get("tags", []):
            assert "not compared" in before or "pick_device" in c.source, c.id
        before = c.source if c.cell_type == "markdown" else before


@each_notebook
def test_style(path):
    code = cells(path, "code")
    assert max(c.source.count("\n") + 1 for c in code) <= 20
    assert max(len(line) for c in code for line in c.source.split("\n")) <= 100
    labels = re.findall(r'[xy]label=r?"([^"]*)"', text(path, "code"))
    bare = [label for label in labels if re.search(r"[a-z]_|^t\b|\bt$", re.sub(r"\$[^$]*\$", "", label))]
    assert not bare, "symbols on axes are in mathtext"
    assert len(text(path, "markdown").split()) >= len(text(path, "code").split())
    source = text(path, "code")
    assert not re.search(r"torch\.manual_seed|\.cuda\(|pyplot|plt\.|;\s*$", source, re.M)
    assert "two CPU cores" in cells(path)[0].source, "the first cell states the time"
    assert re.search(r"ld\.widgets\.\w+\(", source), "each notebook has its slider"


@each_notebook
def test_begins_and_ends_alike(path):
    """Title with its number; what each section needs, as its code has it; glossary, papers, next notebook."""
    first, last = cells(path)[0].source, cells(path)[-1].source
    assert re.match(rf"# {path.stem[:2]} · \w", first)
    said = {
        int(section): {int(number) for number in others.split(", ")}
        for section, others in re.findall(r"section (\d+) needs (\d+(?:, \d+)*)", first)
    }
    assert said == needs(cells(path))
    for words in ("**Papers used.**", "**Where to go on.**", "**Next:**", "(glossary.md)"):
        assert words in last, words
    assert "(glossary.md)" in first
    links = re.findall(r"\]\(([\w.]+)\)", text(path, "markdown"))
    assert any(link.endswith(".ipynb") for link in links)
    missing = [link for link in links if not (path.parent / link).is_file()]
    assert not missing


@each_notebook
def test_a_section_can_be_run_again_after_all_others(path):
    """As who solves an exercise after Run All does."""
    assert spoiled(cells(path)) == []


@each_notebook
def test_the_learners_function_drives_what_follows(path):
    """Each exercise's function is asked for again after its check, and what comes back is used."""
    code = cells(path, "code")
    for name in EXERCISES[path.stem[:2]]:
        asked = [i for i, c in enumerate(code) if re.search(rf'ld\.yours\("{name}", {name}, ', c.source)]
        assert len(asked) == 1, name
        (bound,) = re.findall(rf'^(\w+) = ld\.yours\("{name}"', code[asked[0]].source, re.M)
        after = code[asked[0]].source.split(f'ld.yours("{name}"')[1]
        read = [after, *(c.source for c in code[asked[0] + 1 :])]
        assert any(re.search(rf"\b{bound}\b", source) for source in read), f"{bound} is never used"
        printed = "".join(output.get("text", "") for output in code[asked[0]].outputs)
        assert f"{name}: labdiff, in place of yours" in printed


def one(path, cell_id):
    return next(c for c in cells(path) if c.id == cell_id)


@pytest.mark.parametrize(
    "seconds_a_digit, steps, digits",
    [(1e-5, 8000, 128), (1e-3, 585, 128), (2e-3, 585, 64), (4e-3, 585, 32), (0.1, 150, 32)],
)
def test_training_takes_the_steps_that_fit(tmp_path, monkeypatch, seconds_a_digit, steps, digits):
    now = [0.0]

    def train(*_, n_steps, batch_size, **__):
        for n in range(n_steps):
            now[0] += seconds_a_digit * batch_size
            yield n

    names = {"ld": types.SimpleNamespace(train=train), "Path": Path, "copy": copy, "torch": torch}
    names["time"] = types.SimpleNamespace(perf_counter=lambda: now[0])
    names |= dict.fromkeys(("model", "cosine", "x_train", "y_train"), 0)
    monkeypatch.chdir(tmp_path)
    source = one(NOTEBOOKS[3], "pace").source
    exec(source, names)
    assert abs(names["n_steps"] - steps) <= 1 and names["batch_size"] == digits
    (tmp_path / "trained").mkdir()
    (tmp_path / "trained" / "labelled_1234x16.checkpoint").touch()
    exec(source, names)
    assert (names["n_steps"], names["batch_size"]) == (1234, 16), "a run that is there keeps its numbers"


def test_what_was_trained_stays():
    code = cells(NOTEBOOKS[3], "code")
    (trained,) = [i for i, c in enumerate(code) if c.id == "train"]
    kept = {"model", "cosine", "run", "n_steps", "batch_size", "step"}
    for c in code[trained + 1 :]:
        assert not kept & cell_names(c.source)[1], c.id
    assert "step" not in cell_names(code[trained].source)[1] and "checkpoint=f" in code[trained].source


def test_the_broken_loss_is_broken_in_three_ways():
    """Each repair alone brings it nearer to the simple loss, and all three make it that."""
    source = one(NOTEBOOKS[3], "repair").source
    repairs = [
        ("    x0 = (x0 + 1) / 2  # as pictures come from many a file\n", ""),
        ("reshape(-1, 1)\n    xt", "reshape(-1, 1).sqrt()\n    xt"),
        ("model(xt, t) - noise * eps", "model(xt, t) - eps"),
    ]
    s, g = ld.cosine_schedule(100), torch.Generator().manual_seed(0)
    x0, eps = ld.two_bumps().sample(512, g).float(), torch.randn(512, 1, generator=g)
    t = torch.randint(1, 101, (512,), generator=g)

    def loss(source):
        names = {}
        exec(source, names)
        return names["repaired_loss"](lambda x, t: torch.sin(3 * x), s, x0, t, eps).item()

    right = ld.eps_loss(lambda x, t: torch.sin(3 * x), s, x0, t, eps).item()
    whole = source
    for old, new in repairs:
        assert whole.count(old) == 1
        assert abs(loss(source) - loss(source.replace(old, new))) > 1e-3
        assert abs(loss(whole) - right) > 1e-3
        whole = whole.replace(old, new)
    assert loss(whole) == pytest.approx(right, rel=1e-6)


def test_right_samplers_give_labdiffs_samples(capsys):
    """Notebook 05 with its exercises solved: the same samples from the same noise."""
    s, device = ld.linear_schedule(20), torch.device("cpu")
    model = ld.UNet(channels=8, alpha_bar=s.alpha_bar, generator=torch.Generator().manual_seed(1))
    names = {"ld": ld, "torch": torch, "s": s, "own_s": s, "model": model, "own": model, "device": device}
    shape = (2, 1, 28, 28)
    states = list(ld.ddpm_steps(model, s, shape, generator=torch.Generator().manual_seed(7)))
    g = torch.Generator().manual_seed(8)
    twenty = ld.sample(model, s, (10, 1, 28, 28), method="ddim", n_steps=20, generator=g)
    names |= {"shape": shape, "states": states, "samples": {20: twenty}}
    names |= {name: solution(name) for name in EXERCISES["05"]}
    for cell_id in ("own-p-step", "own-ddim-step"):
        exec(one(NOTEBOOKS[4], cell_id).source, names)
    printed = capsys.readouterr().out
    assert "p_step: yours" in printed and "ddim_step: yours" in printed
    off = [float(number) for number in re.findall(r"largest difference of the two: (\S+)", printed)]
    assert len(off) == 2 and max(off) < 1e-3


@pytest.fixture
def names_of_06():
    """What notebook 06 has before section 1, with a small network that heeds its label."""
    s, g = ld.linear_schedule(1000), torch.Generator().manual_seed(1)
    model = ld.UNet(channels=8, classes=10, alpha_bar=s.alpha_bar, generator=g)
    model.head.weight.data.normal_(0, 0.1, generator=g)
    names = {"model": model, "own": model, "s": s, "own_s": s, "device": torch.device("cpu"), "ld": ld}
    return names | {"torch": torch, "pairwise": itertools.pairwise, "test": ld.load_digits("test")}


@pytest.mark.parametrize("number", [5, 6])
def test_a_kept_network_that_does_not_fit_gives_way_to_the_one_that_ships(
    number, tmp_path, monkeypatch, capsys
):
    """The learner's own network where there is one; otherwise one line says why not."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trained").mkdir()
    path, s = tmp_path / "trained" / "labelled_1x1.checkpoint", ld.linear_schedule(20)

    def owner():
        shipped = ld.UNet(channels=8, classes=10, alpha_bar=s.alpha_bar)
        names = {"ld": ld, "Path": Path, "model": shipped, "s": s}
        exec(one(NOTEBOOKS[number - 1], "device").source, names)
        said = capsys.readouterr().out.splitlines()[-1]
        whose = "ships" if names["own"] is shipped and names["own_s"] is s else "your"
        assert whose in said
        return whose, said

    assert owner()[0] == "ships"
    for sizes, whose in (({}, "your"), ({"channels": 8}, "ships"), ({"classes": 3}, "ships")):
        net = ld.UNet(**{"classes": 10, "alpha_bar": s.alpha_bar} | sizes)
        (step,) = ld.train(net, s, torch.eye(8).mul(2).sub(1).expand(2, 1, 8, 8), n_steps=1, batch_size=1)
        ld.save_checkpoint(path, step)
        said = owner()
        assert said[0] == whose and ("size mismatch" in said[1]) == (whose == "ships"), said
    path.write_bytes(b"half a file")
    assert owner()[0] == "ships" and "corrupt" in owner()[1]


@pytest.mark.parametrize(
    "name, needed, driven",
    [
        ("guided_eps", [], ["own-guided"]),
        ("inpaint_step", ["short", "repair"], ["own-inpaint-step"]),
        ("flow_velocity", [], ["flow", "flow-number"]),
    ],
)
def test_right_answers_in_06_give_labdiffs_pictures(name, needed, driven, names_of_06, capsys):
    names_of_06[name] = solution(name)
    for cell_id in (*needed, *driven):
        exec(one(NOTEBOOKS[5], cell_id).source.replace("n_steps=20", "n_steps=2"), names_of_06)
    printed = capsys.readouterr().out
    assert f"{name}: yours" in printed and "False" not in printed
    off = [float(number) for number in re.findall(r"largest difference of the two: (\S+)", printed)]
    assert all(number < 1e-3 for number in off) and (off or "below 1e-3: True" in printed)


def test_the_learners_arc_is_walked_on(names_of_06, capsys):
    right, asked = solution("interpolate"), []
    names_of_06["interpolate"] = lambda a, b, w: asked.append(w) or right(a, b, w)
    source = one(NOTEBOOKS[5], "own-interpolate").source.replace("n_steps=20", "n_steps=1")
    exec(source, names_of_06)
    assert "interpolate: yours" in capsys.readouterr().out and asked[-9:] == names_of_06["stops"]


def test_a_wrong_velocity_is_not_followed(names_of_06, capsys):
    names_of_06["flow_velocity"] = lambda x, tau, eps: (x - eps) / (1 - tau.reshape(-1, 1, 1, 1))
    for cell_id in ("flow", "flow-number"):
        exec(one(NOTEBOOKS[5], cell_id).source, names_of_06)
    printed = capsys.readouterr().out
    assert "flow_velocity: labdiff" in printed and "below 1e-3: True" in printed


def test_a_right_training_step_trains(capsys):
    names = {"ld": ld, "torch": torch, "s": ld.linear_schedule(20), "digits": ld.load_digits("test")}
    names["training_step"] = solution("training_step")
    for cell_id in ("own-step", "own-step-run"):
        exec(one(NOTEBOOKS[3], cell_id).source.replace("n_steps=150", "n_steps=3"), names)
    assert "training_step: yours" in capsys.readouterr().out
    assert [len(losses) for losses in names["curves"].values()] == [3, 3]
    assert names["nets"].keys() == {"ld.train", "your training_step"}


def test_code_names_nothing_before_it_is_there():
    """The analysis behind the sections' needs: a name that no cell before binds is found."""
    late = [nbformat.v4.new_code_cell(source) for source in ("def f():\n    return later", "later = 1")]
    with pytest.raises(AssertionError, match="later"):
        needs(late)
    assert cell_names("try: a\nexcept b as e: print(e)") == ({"a", "b"}, {"e"})
    assert cell_names("x = x + 1\nfor y in z: y") == ({"x", "z"}, {"x", "y"})
    assert cell_names("def f(a, b=c):\n    return a + d\nd = 1") == ({"c"}, {"f", "d"})
    assert cell_names("def f(a):\n    b = c\n    return lambda x: a + b + d") == ({"c", "d"}, {"f"})
    assert cell_names("[k for k in ks if k > k0]; import a.b as e") == ({"ks", "k0"}, {"e"})


@each_notebook
def test_exercises(path):
    by_id = {c.id: c for c in cells(path)}
    for name in EXERCISES[path.stem[:2]]:
        dashed = name.replace("_", "-")
        assert by_id[f"{dashed}-task"].cell_type == "markdown"
        answer = by_id[f"{dashed}-answer"].source
        assert answer.startswith(f"def {name}(") and "raise NotImplementedError" in answer
        check = by_id[f"{dashed}-check"]
        assert check.source == f'ld.check("{name}", {name})'
        assert "not attempted" in check.outputs[0]["data"]["text/plain"]


def test_every_slide_is_named():
    prose = "\n".join(text(path, "markdown") for path in NOTEBOOKS)
    named = {int(n) for n in re.findall(r"\bS(\d+)\b", prose)}
    for first, last in re.findall(r"\bS(\d+)(?:-|–| to )S?(\d+)\b", prose):
        named |= set(range(int(first), int(last) + 1))
    assert set(range(1, 16)) <= named
    readme = (ROOT / "README.md").read_text()
    assert all(re.search(rf"^\| S{n} ", readme, re.M) for n in range(1, 16)), "README: a row for each slide"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem[:2])
def test_the_table_of_slides_in_the_readme_has_all_that_the_notebook_names(path):
    """Each notebook begins with a table of its slides; README joins them: | S5 ... | 01: 3, 4, 6; 06: 2 |"""
    readme = (ROOT / "README.md").read_text()
    joined = dict(re.findall(r"^\| S(\d+) [^|]*\|([^|]*)\|$", readme, re.M))
    rows = re.findall(r"^\| (S\d.*?) \|.*\|([^|]*)\|$", nbformat.read(path, 4).cells[0].source, re.M)
    assert rows
    for slides, sections in rows:
        sections = set(re.findall(r"\d+", re.sub(r"\]\(.*?\)", "]", sections)))
        for n in re.findall(r"S(\d+)", slides):
            told = dict(part.strip().partition(":")[::2] for part in joined[n].split(";"))
            named = told.get(path.stem[:2])
            assert named is not None, f"S{n}"
            assert not named or sections <= set(re.findall(r"\d+", named)), f"S{n}"


def test_a_name_that_a_later_section_binds_anew_is_found():
    def found(*sources):
        parts = [nbformat.v4.new_markdown_cell(f"## {i}. A section") for i in range(1, len(sources) + 1)]
        return [name for _, name in spoiled([c for pair in zip(parts, map(new, sources)) for c in pair])]

    new = nbformat.v4.new_code_cell
    assert found("s = 50", "print(s)", "s = 1000") == found("s = 50", "print(s)\ns = 1") == ["s"]
    assert found("s = 50\nprint(s)", "s = 1000\nprint(s)") == []
    asks = "mine = ld.yours('f', 0, 0)\ng()"
    assert found("import labdiff as ld\nk = 1\ndef g():\n    return k", asks, "k = 2") == ["k"]
