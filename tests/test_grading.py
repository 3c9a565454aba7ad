"""Grading: what goes into a kernel, what comes out, and what a kernel may see."""

import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

from labdiff.checks import EXERCISES, check
from labdiff.checks.exercises.probes import PUBLIC
from labdiff.checks.in_kernel.collect import collect
from labdiff.checks.judging.verdict import judge
from labdiff.grading.intake import trusted
from labdiff.grading.publish import pages
from labdiff.grading.publish.solutions import solution
from labdiff.grading.records import Record
from labdiff.grading.run import job
from labdiff.grading.run.student import seed_for
from labdiff.grading.sandbox import isolate, package, protocol

sys.path.insert(0, str(Path(__file__).parent))
from right_answers import RIGHT  # noqa: E402

ROOT = Path(__file__).parents[1]
NAMES = list(EXERCISES)
RECORDS = [Record("anna", "none", "asked for", "1", ())]

# the protocol


def there_and_back(name, function, seed):
    """What the grader's side makes of a function, with everything through JSON as between grader and
    kernel."""
    exercise = EXERCISES[name]
    probes = exercise.probes(seed)
    json.loads(json.dumps(protocol.request(exercise, probes)))
    plain = json.loads(json.dumps([protocol.encode_outcome(o) for o in collect(exercise, function, probes)]))
    return judge(exercise, probes, protocol.outcomes(exercise, probes, plain))


@pytest.mark.parametrize("name", NAMES)
def test_every_right_answer_is_right_on_hidden_probes(name):
    for i, function in enumerate(RIGHT[name]):
        seed = seed_for("secret", str(i), name)
        assert there_and_back(name, function, seed).status == "correct", (i, seed)


@pytest.mark.parametrize("name", NAMES)
def test_the_key_is_right_for_many_secret_seeds(name):
    for student in range(5):
        assert (
            there_and_back(name, solution(name), seed_for("secret", str(student), name)).status == "correct"
        )


def power(a_half):
    def q_sample(s, x0, t, eps):
        a = s.alpha_bar[t].reshape(-1, 1, 1, 1).to(x0.dtype)
        return a_half(s, a) * x0 + (1 - a) ** 0.5 * eps

    return q_sample


PUBLIC_BETA = {round(p.args[0].beta[1].item(), 12) for p in EXERCISES["q_sample"].probes(PUBLIC)}


@pytest.mark.parametrize(
    "signal, hidden_only",
    [
        (lambda s, a: a**0.55, False),
        (lambda s, a: a**0.5 if round(s.beta[1].item(), 12) in PUBLIC_BETA else a**0.55, True),
    ],
)
def test_what_the_page_says_is_what_the_check_says(signal, hidden_only):
    """Of the hidden probes a student sees one sentence, and no number."""
    exercise, function, seed = EXERCISES["q_sample"], power(signal), seed_for("secret", "anna", "q_sample")
    question = next(q for t in trusted.load() for q in t.questions if q.name == "q_sample")
    probes = [exercise.probes(PUBLIC), exercise.probes(seed)]
    graded = job.Job(question, exercise, probes, None, "", "")
    sets = [[protocol.encode_outcome(o) for o in collect(exercise, function, p)] for p in probes]
    graded.judge_sent(json.loads(json.dumps({"sets": sets})))
    result, seen = graded.result, check("q_sample", function)
    assert result.status == "wrong" and result.rows == tuple(seen.rows)
    assert result.pictures == tuple((p.text, p.uri) for p in seen.pictures)
    if hidden_only:
        assert seen.status == "correct" and result.hint.startswith(job.ONLY_PUBLIC)
        assert not set("0123456789") & set(result.hint)
    else:
        assert seen.status == "not yet" and seen.hint and result.hint == seen.hint


def test_seeds_differ_by_student_exercise_and_secret():
    seeds = {seed_for(a, b, c) for a in "xy" for b in "xy" for c in "xy"}
    assert len(seeds) == 8 and 0 not in seeds


GOOD = {
    "values": {"xt": {"shape": [1], "numbers": [1.0]}},
    "problem": "",
    "kind": "",
    "message": "",
    "line": "",
    "changed": [],
    "random": [],
    "notes": [],
    "printed": "",
    "warned": "",
}


@pytest.mark.parametrize(
    "bad",
    [
        None,
        3,
        [],
        [1],
        [{}],
        [GOOD] * 99,
        [GOOD],
        [{**GOOD, "more": 1}],
        [{**GOOD, "problem": "fine"}],
        [{**GOOD, "kind": "x" * 2000}],
        [{**GOOD, "kind": None}],
        [{**GOOD, "notes": "abc"}],
        [{**GOOD, "values": {"other": {}}}],
        [{**GOOD, "values": {}}] * 17,
        [{**GOOD, "random": ["other"]}] * 17,
        [{**GOOD, "changed": ["other"]}] * 17,
        [{**GOOD, "message": "\ud800"}] * 17,
        *(
            [{**GOOD, "problem": "time", "values": {"xt": {"shape": s, "numbers": n}}}]
            for s, n in (([1], [1.0]),)
        ),
        *(
            [{**GOOD, "values": {"xt": {"shape": s, "numbers": n}}}] * 17
            for s, n in (
                ([-1], [1.0]),
                ([True], [1.0]),
                ([2], [1.0]),
                ([10**9, 10**9], []),
                ([1], ["1"]),
                ([1], [None]),
                ([1], [True]),
                ([1], [10**400]),
                ("1", [1.0]),
                ([1] * 11, [1.0]),
            )
        ),
    ],
)
def test_what_collect_would_not_send_is_refused(bad):
    exercise = EXERCISES["q_sample"]
    with pytest.raises(ValueError, match="outcome"):
        protocol.outcomes(exercise, exercise.probes(5), bad)


def test_neither_seed_nor_answers_go_into_a_kernel():
    exercise = EXERCISES["q_sample"]
    seed = seed_for("secret", "anna", "q_sample")
    probes = exercise.probes(seed)
    text = json.dumps(protocol.request(exercise, probes))
    assert str(seed) not in text
    for probe in probes:
        if (probe.args[2] > 0).all():  # at t = 0 the answer is an input
            assert str(exercise.formula(*probe.args).flatten()[0].item()) not in text


@pytest.mark.parametrize("name", NAMES)
def test_the_kernels_labdiff_lacks_the_function_and_the_judges(tmp_path, name):
    package.write_all(tmp_path, [name])
    copy = tmp_path / name / "labdiff"
    assert [p.name for p in (copy / "checks").iterdir() if p.suffix] == ["__init__.py"]
    assert not list(copy.rglob("exercises")) and not list(copy.rglob("grading"))
    names = {path.name for path in copy.iterdir()}
    assert names.isdisjoint(
        {"commands", "site", "notebooks", "cli.py", "__main__.py", "course.py", "workcopy.py"}
    )
    for function in map(inspect.unwrap, EXERCISES[name].blocked):
        text = (copy / Path(inspect.getsourcefile(function)).relative_to(package.PACKAGE)).read_text()
        assert f"blocking.note('{function.__qualname__}')" in text
        longest = max(inspect.getsource(function).split('"""')[-1].splitlines(), key=len).strip()
        assert longest not in text.split(f"def {function.__name__}(")[1].split("def ")[0]


def test_the_kernels_labdiff_works_but_for_the_function(tmp_path):
    package.write_all(tmp_path, ["q_sample"])
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import labdiff as ld, torch; x, t = torch.zeros(1, 1, 2, 2), torch.tensor([1]); "
            "s = ld.linear_schedule(); ld.load_digits('test'); ld.p_mean(s, x, t, x); print('so far'); "
            "ld.q_sample(s, x, t, x)",
        ],
        env={"PYTHONPATH": str(tmp_path / "q_sample")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (
        done.stdout.strip() == "so far"
        and "WriteItYourself: labdiff.q_sample is what this exercise asks" in done.stderr
    )


# isolation


def test_isolation_is_said_never_pretended(monkeypatch):
    monkeypatch.setattr(isolate, "cant", lambda: "no namespaces here")
    assert isolate.choose("auto") == ("none", "no namespaces here")
    with pytest.raises(
        ValueError,
        match="--isolation: expected a machine with Linux user namespaces, got: no namespaces here",
    ):
        isolate.choose("namespace")
    assert isolate.choose("none")[0] == "none"
    assert "not isolated" in pages.student_page(RECORDS[0]) and "not isolated" in pages.class_page(RECORDS)
