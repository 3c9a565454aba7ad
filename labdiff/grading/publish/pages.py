"""The pages: one for each student, one for the class. One file each, no script, nothing loaded from anywhere."""

from collections import Counter
from html import escape

SIGNS = {
    "correct": "✓",
    "wrong": "✗",
    "not attempted": "○",
    "missing": "–",
    "unreadable": "?",
    "error": "!",
    "timeout": "…",
    "kernel died": "†",
    "grader error": "⚠",
}
STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.45 system-ui, sans-serif; max-width: 60em; margin: 1.5em auto; padding: 0 1em; }
table { border-collapse: collapse; } th, td { padding: .2em .6em; text-align: left; vertical-align: top; }
th { font-weight: 600; } .scroll { overflow-x: auto; } thead th { border-bottom: 1px solid #888; }
td.sign { text-align: center; } .correct { color: #1b7f3b; } .wrong, .error, .timeout, .kernel { color: #b3261e; }
.grader { color: #8a5a00; font-weight: 600; } section { margin: 1.2em 0; padding-left: 1em; border-left: 4px solid #999; }
section.correct { border-color: #1b7f3b; color: inherit; }
section.wrong, section.error { border-color: #b3261e; color: inherit; }
td.mono { font-family: ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
.bar { display: inline-block; height: .8em; background: #1b7f3b; } .rest { background: #d9a19d; } small { color: #777; }
@media print { body { max-width: none; margin: 0; font-size: 11pt; } section, tr { break-inside: avoid; } }
@media (prefers-color-scheme: dark) { .correct { color: #63c784; } .wrong, .error, .timeout, .kernel { color: #ff897d; } }
"""


def page(title, body):
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width, initial-scale=1"><title>{escape(title)}</title><style>{STYLE}</style></head>\n'
        f"<body>\n<h1>{escape(title)}</h1>\n{body}\n</body></html>\n"
    )


def isolation(record):
    if record["isolation"] == "namespace":
        return "<p><small>Run isolated: without network, without other files.</small></p>"
    return f"<p><strong>not isolated</strong>: {escape(record['why'] or 'no namespaces')}</p>"


def points(rows):
    return f"{sum(r['points'] for r in rows):g} of {sum(r['max'] for r in rows):g}"


def student_page(record):
    parts = [f"<p><strong>{points(record['results'])} points</strong></p>", isolation(record)]
    for r in record["results"]:
        rows = "".join(
            f'<tr><th>{escape(label)}</th><td class="mono">{escape(text)}</td></tr>'
            for label, text in r["rows"]
        )
        named = f" ({escape(r['mistake'])})" if r["mistake"] else ""
        flags = "".join(f"<p><small>Note: {escape(f)}</small></p>" for f in r["flags"])
        rows = f'<div class="scroll"><table>{rows}</table></div>' if rows else ""
        parts.append(
            f'<section class="{r["status"].split()[0]}"><h2>{escape(r["exercise"])} '
            f"<small>{escape(r['notebook'])}</small></h2><p><strong>{SIGNS[r['status']]} {r['status']}{named}, "
            f"{r['points']:g} of {r['max']:g}</strong></p><p>{escape(r['hint'])}</p>{rows}{flags}</section>"
        )
    parts.append(
        "<p><small>The numbers are those of the public probes, the same as in ld.check. The points come from hidden "
        "probes of the same kind with other numbers.</small></p>"
    )
    return page(record["student"], "\n".join(parts))


def class_page(records, slug):
    """Who is done, which exercise hurts, which mistake is commonest, who needs a look."""
    from labdiff.grading.publish.results import columns, flags_of, total

    names = columns(records)
    everything = [r for record in records for r in record["results"]]
    done = sum(all(r["status"] == "correct" for r in record["results"]) for record in records)
    parts = [
        f"<p><strong>{done} of {len(records)} are done.</strong> Mean {points_mean(records, total)}.</p>"
    ]
    if any(record["isolation"] != "namespace" for record in records):
        parts.append(isolation(next(r for r in records if r["isolation"] != "namespace")))
    broken = sum(r["status"] == "grader error" for r in everything)
    if broken:
        parts.append(
            f'<p class="grader">{broken} questions were not graded (grader error). Run the same command again.</p>'
        )
    parts += [
        "<h2>Which exercise hurts</h2>",
        table(
            ("exercise", "correct", "", "else"),
            map(lambda name: hurts([r for r in everything if (r["notebook"], r["exercise"]) == name]), names),
        ),
    ]
    mistakes = Counter((r["exercise"], r["mistake"], r["hint"]) for r in everything if r["mistake"])
    parts += [
        "<h2>Commonest mistakes</h2>",
        table(
            ("how many", "exercise", "mistake", "what students are told"),
            ((str(n), escape(e), escape(m), escape(h)) for (e, m, h), n in mistakes.most_common(15)),
        ),
    ]
    look = [(link(r, slug), "<br>".join(map(escape, flags_of(r)))) for r in records if flags_of(r)]
    parts += ["<h2>Who needs a look</h2>", table(("student", "why"), look) if look else "<p>Nobody.</p>"]
    rows = [(link(record, slug), f"{total(record):g}", *cells(record, names)) for record in records]
    parts += [
        "<h2>Who is done</h2>",
        table(("student", "points", *(escape(e) for _, e in names)), rows),
        "<p><small>" + " · ".join(f"{sign} {status}" for status, sign in SIGNS.items()) + "</small></p>",
    ]
    return page("Grades", "\n".join(parts))


def points_mean(records, total):
    most = max(sum(r["max"] for r in record["results"]) for record in records) if records else 0
    return f"{sum(map(total, records)) / max(1, len(records)):.2f} of {most:g} points"


def hurts(rows):
    right = sum(r["status"] == "correct" for r in rows)
    others = Counter(r["status"] for r in rows if r["status"] != "correct")
    bar = (
        f'<span class="bar" style="width:{8 * right / len(rows):.2f}em"></span>'
        f'<span class="bar rest" style="width:{8 - 8 * right / len(rows):.2f}em"></span>'
    )
    return (
        escape(rows[0]["exercise"]),
        f"{right} of {len(rows)}",
        bar,
        ", ".join(f"{n} {status}" for status, n in others.most_common()),
    )


def cells(record, names):
    by_name = {(r["notebook"], r["exercise"]): r["status"] for r in record["results"]}
    for name in names:
        status = by_name.get(name, "missing")
        yield f'<span class="{status.split()[0]}" title="{status}">{SIGNS[status]}</span>'


def link(record, slug):
    from urllib.parse import quote

    return f'<a href="students/{quote(slug(record["student"]))}.html">{escape(record["student"])}</a>'


def table(head, rows):
    return (
        '<div class="scroll"><table><thead><tr>'
        + "".join(f"<th>{h}</th>" for h in head)
        + "</tr></thead><tbody>"
        + "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>" for row in rows)
        + "</tbody></table></div>"
    )
