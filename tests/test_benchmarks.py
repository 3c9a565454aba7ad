"""The benchmarks' own arithmetic, and that docs/benchmarks.md quotes what they wrote."""

import collections
import functools
import importlib
import itertools
import json
import os
import sys
import time
from pathlib import Path

import pytest
import torch

import labdiff as ld

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"


@pytest.fixture
def load(monkeypatch):
    """A module of benchmarks/ by its name."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    yield importlib.import_module
    for name in ("run", "report", "quality", "peers", "record", "clusters", "gpu"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def classifier():
    """Trained for an epoch: enough to tell digits from noise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        return importlib.import_module("quality").train_classifier(ld.load_digits(), epochs=1)


def test_frechet_of_normals(load):
    frechet = load("quality").frechet
    g = torch.Generator().manual_seed(0)
    a = torch.randn(200_000, 3, generator=g, dtype=torch.float64)
    assert frechet(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet(a, a + 2) == pytest.approx(12)
    assert frechet(a, 3 * a) == pytest.approx(3 * (3 - 1) ** 2, rel=0.02)  # the sum of (sigma_1 - sigma_2)^2
    turned = (
        a * torch.tensor([1.0, 2.0, 1.0], dtype=torch.float64),
        a * torch.tensor([2.0, 1.0, 1.0], dtype=torch.float64),
    )
    assert frechet(*turned) == pytest.approx(2, rel=0.02)


def test_the_judge_knows_digits_from_noise(load, classifier):
    train, test = ld.load_digits(), ld.load_digits("test")
    judge = load("quality").Judge(classifier, test)
    assert judge.accuracy > 0.9
    g = torch.Generator().manual_seed(0)
    real = judge(train.images[:1000])
    fuzzy = judge(train.images[:1000] + 0.5 * torch.randn(1000, 1, 28, 28, generator=g))
    ones = judge(train.images[train.labels == 1])
    assert 0 < 3 * real["fd"] < fuzzy["fd"] and 3 * real["fd"] < ones["fd"]
    assert (
        0.05 < real["rarest"] < real["commonest"] < 0.15
        and ones["commonest"] > 0.9
        and 0.5 < real["confidence"] <= 1
    )


def test_time_to_quality_from_end_to_end(load, monkeypatch, classifier):
    run = load("run")
    few = functools.partial(run.turns, warmup=1)
    monkeypatch.setattr(run, "turns", lambda jobs, device, rounds, warmup: few(jobs, device, 2))
    parts = {"N_SAMPLES": 20, "LEAST_ACCURACY": 0.5, "SEEDS_OF_PEER": 0}
    for name, value in (parts | {"train_classifier": lambda digits, device: classifier}).items():
        monkeypatch.setattr(run, name, value)
    saved = []
    result = run.quality(
        torch.device("cpu"), ld.load_digits(), ld.load_digits("test"), [0.08], 1, saved.append
    )
    assert saved == [result] and len(result["runs"]) == 1
    trained = result["runs"][0]
    assert all(
        shipped["fd"] < 0.5 * trained["fd"] for shipped in result["shipped"].values()
    )  # a second paints no digits
    assert trained["steps"] >= 1 and trained["seconds"] > 0.2  # a busy machine makes but one
    assert load("report").quality({"quality": result}).count("\n") == 7


def test_the_peer_has_the_labs_t(load):
    """Its scheduler's noising at t - 1 is ours at t; and its loop trains."""
    diffusers = pytest.importorskip("diffusers")
    images = ld.load_digits("test").images[:8]
    network, eps_model, steps = load("peers").diffusers(images, 4, "cpu", n_steps=2)
    before = network.conv_out.weight.detach().clone()
    assert 0.5 < next(steps) < 2 and not torch.equal(network.conv_out.weight, before)
    x, t = torch.randn(2, 1, 28, 28, generator=torch.Generator().manual_seed(0)), torch.tensor([1, 1000])
    with torch.no_grad():
        assert torch.equal(eps_model(x, t), network(x, torch.tensor([0, 999])).sample)
    theirs = diffusers.DDPMScheduler(num_train_timesteps=1000).add_noise(x, x, t - 1)
    torch.testing.assert_close(theirs, ld.q_sample(ld.linear_schedule(), x, t, x), rtol=0, atol=1e-5)


def test_a_table_says_how_many_times_as_long(load):
    compared = load("report").compared
    assert compared({"labdiff": [0.1, 0.2, 0.1], "other": [0.3, 0.8, 0.3]}) == [
        "100 ms [100–200]",
        "300 ms [300–800], ×3.0",
    ]


def test_the_table_says_when_and_of_which_tree(load):
    old, new = {"date": "2026-11-24", "commit": "abc"}, {"date": "2026-12-01", "commit": "def", "load": "0.3"}
    new |= {"minutes": 2.04}
    said = load("report").measured({"step": old, "forward": new, "import": old})
    assert (
        said
        == "step, import on 2026-11-24, commit abc; forward (2.0 min) on 2026-12-01, commit def, load 0.3"
    )


def test_one_thread_is_measured_beside_all(load, monkeypatch):
    run, seen, before = load("run"), set(), torch.get_num_threads()
    network = lambda x, t: seen.add((len(x), torch.get_num_threads()))  # noqa: E731
    steps = (seen.add(("step", torch.get_num_threads())) for _ in itertools.count())
    monkeypatch.setattr(run.ld, "load_pretrained", lambda: (network, None))
    monkeypatch.setattr(run, "labdiff", lambda *_: (None, None, steps))
    images = torch.zeros(64, 1, 28, 28)
    torch.set_num_threads(2)
    try:
        result = run.threads(torch.device("cpu"), images, 3)
        assert torch.get_num_threads() == 2
        torch.set_num_threads(1)
        assert run.threads(torch.device("cpu"), images, 3) == {}
    finally:
        torch.set_num_threads(before)
    assert seen == set(itertools.product([1, 4, 16, 64, "step"], [1, 2]))
    assert [*result] == ["1 digit", "4 digits", "16 digits", "64 digits", "a training step of 128"]
    assert all(len(times) == 3 for each in result.values() for times in (each["1"], each["2"]))
    said = load("report").seconds({"threads": {"1 digit": {"1": [0.004], "2": [0.1]}}})
    assert said.endswith("in turns: 1 digit 4.00 ms [4.00–4.00] on 1 and 100 ms [100–100] on 2.")


@pytest.mark.parametrize("folder", [BENCHMARKS, BENCHMARKS / "float32"], ids=lambda path: path.name)
def test_the_docs_quote_what_was_measured(load, folder):
    results = json.loads((folder / "results.json").read_text())
    table = load("report").table(results, list(load("peers").PEERS))
    assert table == (folder / "table.md").read_text()
    assert table in (ROOT / "docs" / "benchmarks.md").read_text()
    assert (folder / "quality.png").exists() == ("quality" in results)


@pytest.mark.parametrize("name, calls", [("labels", [1, 2, 4, 10, 20]), ("no_labels", [1, 2, 4, 10])])
def test_a_recipe_is_judged_and_its_evaluations_are_counted(load, classifier, name, calls):
    record, quality = load("record"), load("quality")
    entry = record.recipe(BENCHMARKS / "entries" / f"{name}.py")
    entry.N_STEPS = 2
    train, test = (
        ld.Digits(d.images[:200], d.labels[:200]) for d in (ld.load_digits(), ld.load_digits("test"))
    )
    judge = quality.Judge(classifier, test)
    with torch.random.fork_rng():
        model, log = record.trained(entry, train, seed=0)
        drawings = [record.drawn(f, model, log, 12, n) for n, f in record.samplers(entry).items()]
    assert [log["evaluations"] for _, log in drawings] == calls
    assert log["entry"] == f"{name}.py" and log["labels"] == (name != "no_labels")
    assert log["seconds"] > 0 < log["cpu"]
    images, log = drawings[0]
    row = record.ROW.format(**log | {"real": 1.0} | judge(images))
    table = (BENCHMARKS / "records.md").read_text().splitlines()
    assert row.count("|") == table[-1].count("|") == table[-2].count("|")


def test_the_rows_of_the_records_are_those_of_their_logs(load):
    logs = [json.loads(path.read_text()) for path in sorted((BENCHMARKS / "entries").glob("*.seed?.json"))]
    rows = [load("record").ROW.format(**log | {"labels": "yes" if log["labels"] else "no"}) for log in logs]
    table = (BENCHMARKS / "records.md").read_text().split("| --- |\n")[-1]
    assert rows and sorted(table.splitlines()) == sorted(rows)
    seeds = collections.defaultdict(set)
    for log in logs:
        seeds[log["entry"], log["evaluations"]].add(log["seed"])
    assert all(found >= {0, 1, 2} for found in seeds.values()), seeds


NOISE = """
import torch

LABELS = False

def train(digits, seed):
    assert (digits.labels == -1).all(), "who does not look at them needs none"
    digits.images.zero_()
    return lambda x, t: x

def sample(model, n, seed, counted):
    x = torch.randn(n, 1, 28, 28)  # of the global generator
    return counted(model)(x, 0)
"""


@pytest.fixture
def enter(load, tmp_path, monkeypatch, classifier):
    """Judge an entry of this code on the digits that ship, as if they were MNIST; its log, or None."""
    record, real = load("record"), ld.load_digits
    monkeypatch.setattr(record, "train_classifier", lambda digits, epochs: classifier)
    monkeypatch.setattr(record.ld, "load_digits", lambda split, **_: real(split))
    for name, value in {"LEAST_ACCURACY": 0.5, "N_SAMPLES": 20}.items():
        monkeypatch.setattr(record, name, value)

    def judged(code, *options):
        (tmp_path / "mine.py").write_text(code)
        before = {*tmp_path.glob("*.json")}
        options = ["--entry", str(tmp_path / "mine.py"), "--threads", str(torch.get_num_threads()), *options]
        with torch.random.fork_rng():
            record.main(options)
        new = {*tmp_path.glob("*.json")} - before
        return json.loads(new.pop().read_text()) if new else None

    return judged


def test_a_log_is_written_over_none_and_compared(enter, tmp_path, capsys):
    first, second = enter(NOISE), enter(NOISE)
    assert first["samples"] == second["samples"] and first["evaluations"] == 1
    assert first["real"] == second["real"] > 0  # the judge sees digits that no entry has changed
    assert "the same samples as in" in capsys.readouterr().err
    enter(NOISE.replace("x = torch.randn", "x = 2 * torch.randn"))
    said = capsys.readouterr()
    assert said.err.count("other samples than in") == 2 and said.out.startswith("| mine.py | no | 0 | ")
    names = sorted(path.name for path in tmp_path.glob("*.json"))
    assert names == [f"mine.1_evaluations.seed0.{again}json" for again in ("2.", "3.", "")]


SETTINGS = """
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(7)
    torch.set_grad_enabled(False)
"""


def test_an_entrys_settings_end_with_it(enter):
    """The judge is trained after it; that they are as before is asserted for every test."""
    for line in (
        "    digits.images.zero_()\n",
        "    x = torch.randn(n, 1, 28, 28)  # of the global generator\n",
    ):
        assert NOISE.count(line) == 1
        assert enter(NOISE.replace(line, line + SETTINGS))["evaluations"] == 1


def test_an_entry_may_say_its_arguments_by_name_and_have_dataclasses(enter):
    code = "from __future__ import annotations\nimport dataclasses\n"
    code += "@dataclasses.dataclass\nclass A:\n    x: int\n"
    assert enter(code + NOISE.replace("(x, 0)", "(x=x, t=0)"))["evaluations"] == 1


def test_a_log_that_is_not_whole_is_another(enter, tmp_path, capsys):
    (tmp_path / "mine.1_evaluations.seed0.json").write_text('{"entry": "mine')
    assert enter(NOISE)["evaluations"] == 1
    assert "other samples than in" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["{", "[]", None])
def test_a_wrong_file_of_results_is_told_before_the_training(enter, tmp_path, text):
    path = tmp_path / "results" / "results.json"
    if text is not None:
        path.parent.mkdir()
        path.write_text(text)
    words = (
        "Gradescope's results.json, got .* with other text"
        if text
        else "a file in a folder that is there, got"
    )
    with pytest.raises(SystemExit, match=f"--results: expected {words}"):
        enter(NOISE.replace("digits.images.zero_()", "raise KeyboardInterrupt"), "--results", str(path))


def test_on_gradescope_the_author_sees_what_went_wrong(enter, tmp_path):
    with pytest.raises(SystemExit):
        enter(NOISE.replace("x, 0)", "x[:5], 0)"), "--results", str(tmp_path / "results.json"))
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["score"] == 0 and "expected real images" in results["output"]


def test_what_another_machine_measured_is_not_written_over_in_parts(load, tmp_path, monkeypatch, capsys):
    (tmp_path / "results.json").write_text('{"machine": "an abacus", "step": 1}')
    monkeypatch.setattr(sys, "argv", ["run.py", "--only", "threads", "--out", str(tmp_path)])
    with pytest.raises(SystemExit):
        load("run").main()
    assert "is of another machine, an abacus: give another folder" in capsys.readouterr().err
    assert json.loads((tmp_path / "results.json").read_text())["step"] == 1


def test_where_there_is_no_git_there_is_no_commit(load, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert load("run").commit() == ""


def test_gradescopes_leaderboard_stands_beside_the_score(enter, tmp_path):
    (tmp_path / "old").mkdir()
    new, old = tmp_path / "old" / "new.json", tmp_path / "old" / "results.json"
    old.write_text('{"tests": [{"score": 1.0}], "leaderboard": []}')
    for path in (new, old):
        log = enter(NOISE, "--results", str(path))
    assert json.loads(new.read_text())["score"] == 0  # Gradescope wants one
    results = json.loads(old.read_text())
    assert results["tests"] == [{"score": 1.0}] and "score" not in results
    distance, seconds, evaluations, recall = results["leaderboard"]
    assert distance == {"name": "distance", "value": round(log["fd"], 2), "order": "asc"}
    assert seconds["order"] == evaluations["order"] == "asc" and evaluations["value"] == 1
    assert recall == {"name": "recall", "value": round(log["recall"], 3)}


HALVES = """
import torch

LABELS, EVALUATIONS = False, (1, 2)

def train(digits, seed):
    return lambda x, t: x / 2

def sample(model, n, seed, counted, evaluations):
    x, model = torch.randn(n, 1, 28, 28), counted(model)
    for _ in range(evaluations):
        x = model(x, 0)
    return x
"""


def test_one_training_is_judged_at_several_numbers_of_evaluations(enter, tmp_path, capsys):
    enter(HALVES, "--results", str(tmp_path / "results.json"))
    rows = capsys.readouterr().out.splitlines()
    assert [row.split(" | ")[5] for row in rows] == ["1", "2"]
    logs = [json.loads((tmp_path / f"mine.{n}_evaluations.seed0.json").read_text()) for n in (1, 2)]
    assert logs[0]["seconds"] == logs[1]["seconds"] and logs[0]["samples"] != logs[1]["samples"]
    (distance, *_) = json.loads((tmp_path / "results.json").read_text())["leaderboard"]
    assert distance["value"] == round(min(log["fd"] for log in logs), 2)
    with pytest.raises(SystemExit, match=r"expected real images .* with 1 evaluations each, counted 2$"):
        enter(HALVES.replace("range(evaluations)", "range(2)"))


def test_a_trial_writes_nothing(enter, capsys):
    assert enter(NOISE, "--try") is None
    said = capsys.readouterr()
    assert "count for nothing" in said.err and said.out.startswith("| mine.py | no | 0 | ")


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("LABELS = False", "", "expected LABELS, train and sample in .*mine.py, got no LABELS"),
        ("def sample", "def samples", "expected LABELS, train and sample in .*mine.py, got no sample"),
        ("LABELS = False", "LABELS = 'no'", "LABELS: expected True or False, got 'no'"),
        ("LABELS", "EVALUATIONS = 4; LABELS", "EVALUATIONS: expected a tuple of ints, got 4"),
        ("LABELS", "EVALUATIONS = (); LABELS", r"EVALUATIONS: expected a tuple of ints, got \(\)"),
        (
            "LABELS",
            "EVALUATIONS = (1, 2.0); LABELS",
            r"EVALUATIONS: expected a tuple of ints, got \(1, 2.0\)",
        ),
        ("LABELS", "EVALUATIONS = (4,); LABELS", r"sample\(\): TypeError: .* 'evaluations'"),
        ("import torch", "import torhc", "mine.py: ModuleNotFoundError: No module named 'torhc'"),
        ("def train(", "def train(:", "mine.py: SyntaxError"),
        ("digits.images.zero_()", "digits.images[0, 5]", r"train\(\): IndexError: index 5"),
        ("return counted(", "return counted(1 + ", r"sample\(\): TypeError"),
        ("x, 0)", "x[:, 0], 0)", r"expected real images \(20, 1, 28, 28\), got \(20, 28, 28\)"),
        ("x, 0)", "x[:5], 0)", r"expected real images \(20, 1, 28, 28\), got \(5, 1, 28, 28\)"),
        ("x, 0)", "x.long(), 0)", r"expected real images .*, got torch.int64"),
        ("x, 0)", "x, 0).tolist()", r"expected real images .*, got list"),
        ("x, 0)", "x, 0).numpy()", r"expected real images .*, got ndarray"),
        ("x, 0)", "x, 0).to_sparse()", r"expected real images .*, got torch.sparse_coo on cpu"),
        ("digits.images.zero_()", "raise SystemExit(3)", r"train\(\): SystemExit: 3"),
        ("x, 0)", "x / 0 * 0, 0)", "expected real images .*, got NaN or infinite numbers"),
        ("x, 0)", "x.sigmoid(), 0)", r"expected real images .* in \[-1, 1\], got 0\.\d+ to 0\.\d+"),
        ("counted(model)(x, 0)", "model(x, 0)", r"expected calls of counted\(model\), got none"),
    ],
)
def test_a_bad_entry_is_told_before_the_judge_is_trained(enter, load, monkeypatch, old, new, words):
    monkeypatch.setattr(load("record"), "train_classifier", None)
    assert NOISE.count(old) == 1
    with pytest.raises(SystemExit, match=f"^record: .*{words}"):
        enter(NOISE.replace(old, new))


def test_an_entrys_settings_and_folder_end_with_it(load, tmp_path):
    before = os.getcwd()
    with load("record").entrys("train()"):
        os.chdir(tmp_path)
        torch.set_autocast_enabled("cpu", True)
    assert os.getcwd() == before and not torch.is_autocast_enabled("cpu")


def test_an_entry_that_is_no_python_file(load, tmp_path):
    for path in (tmp_path, tmp_path / "nowhere.py", tmp_path / "notes.txt"):
        with pytest.raises(SystemExit, match="^record: --entry: expected a Python file, got "):
            load("record").recipe(path)


def test_precision_and_recall_tell_lost_variety_from_bad_samples(load):
    inside, g = load("quality").inside, torch.Generator().manual_seed(0)
    real, same = (torch.randn(600, 4, generator=g) for _ in range(2))
    assert inside(same, real) > 0.8 and inside(real, same) > 0.8
    narrow, far = 0.2 * same, same + 20
    assert inside(narrow, real) > 0.95 and inside(real, narrow) < 0.5
    assert inside(far, real) == inside(real, far) == 0
    assert inside(real[:3], real[:3]) == 1  # fewer than k neighbours


def test_the_judge_sees_noise_in_the_background(load):
    quality, g = load("quality"), torch.Generator().manual_seed(0)
    test = ld.load_digits("test")
    some = ld.Digits(test.images[:256], test.labels[:256])
    judge = quality.Judge(quality.train_classifier(some, epochs=4), test)
    assert judge(test.images[:50])["background"] == 0
    noisy = test.images[:50] + 0.1 * torch.randn(50, 1, 28, 28, generator=g).abs()
    assert 0.05 < judge(noisy)["background"] < 0.07  # std of |N(0, 0.1)|


def test_the_gpu_benchmark_goes_its_whole_course_on_a_cpu(load, tmp_path, monkeypatch):
    gpu = load("gpu")
    monkeypatch.setattr(gpu.torch.cuda, "is_available", lambda: False)
    results = gpu.main(["--out", str(tmp_path)])
    assert json.loads((tmp_path / "gpu.json").read_text()) == results and results["tiny"]
    assert "failed" not in json.dumps(results), results
    (step,) = results["step"].values()
    assert step.keys() == {"eager", "compiled"} and all(t > 0 for t in step.values())
    assert results["share"]["share"] > 0 and len(results["samplers"]) == 4
    curve = results["quality"]["curve"]
    assert curve[-1]["step"] >= 8 and [p["seconds"] for p in curve] == sorted(p["seconds"] for p in curve)
    assert results["quality"]["to"].keys() == {"15", "5", "2"} and results["notebooks"] == "no time left"
    text = (tmp_path / "gpu.md").read_text()
    assert "A trial of the course with tiny sizes: no measurement." in text and results["memory"]
    assert "| quality: to 15 |" in text and "| samplers: DDIM in 50, compiled |" in text


def test_what_fails_on_a_gpu_is_noted_and_the_rest_goes_on(load, tmp_path, monkeypatch):
    gpu = load("gpu")
    for name in ("ceiling", "steps_of", "samplers"):
        monkeypatch.setattr(gpu, name, lambda *args: {}["what is not there"])
    monkeypatch.setattr(gpu, "quality", lambda *args: {"to": {"15": 1.5}})
    monkeypatch.setattr(gpu.torch.cuda, "is_available", lambda: False)
    results = gpu.main(["--out", str(tmp_path)])
    assert results["step"] == {"failed": "KeyError: 'what is not there'"} and results["quality"]["to"]
    assert "| quality: to 15 | 1.5 |" in (tmp_path / "gpu.md").read_text()
    monkeypatch.setattr(gpu, "ceiling", lambda *args: time.sleep(60))
    results = gpu.main(["--out", str(tmp_path / "new"), "--minutes", "0.01"])
    assert results["ceiling"] == {"failed": "TimeoutError: no time left"} and results["seconds"] < 30
    results = gpu.main(["--out", str(tmp_path), "--minutes", "0"])
    assert results["quality"] == {"failed": "TimeoutError: no time left"}
