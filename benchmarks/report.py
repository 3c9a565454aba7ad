"""What run.py measured, as a table in Markdown and as a picture."""

import statistics

from matplotlib.figure import Figure


def table(results, peers):
    """results.json as Markdown; `peers` are the names of the columns, labdiff first."""
    parts = about(results), speed(results, peers), seconds(results), quality(results)
    return "\n\n".join(part for part in parts if part) + "\n"


def about(results):
    text = f"Measured on {results['machine']}: {measured(results.get('measured', {}))}. "
    text += "Medians, in brackets the range; "
    text += "×N says how many times as long as labdiff."
    if "ceiling" in results:
        rates = ", ".join(f"{name} {rate / 1e9:.0f}" for name, rate in results["ceiling"].items())
        text += f" The machine's ceiling, in 10⁹ multiplications and additions a second: {rates}."
    return text


def measured(sections):
    """Which section when, how long, of which commit, at which load of the machine when it began."""
    groups = {}
    for name, how in sections.items():
        took = f" ({how['minutes']:.1f} min)" if "minutes" in how else ""
        same = tuple((key, value) for key, value in how.items() if key != "minutes")
        groups.setdefault(same, []).append(name + took)
    parts = []
    for how, names in groups.items():
        load = f", load {dict(how)['load']}" if dict(how).get("load") else ""
        parts.append(f"{', '.join(names)} on {dict(how)['date']}, commit {dict(how)['commit']}{load}")
    return "; ".join(parts)


def speed(results, peers):
    blank = [""] * (len(peers) - 2)
    lines = []
    if "step" in results:
        times, operations = results["step"]["times"], results["step"]["operations"]
        lines += [
            row("parameters, million", *(f"{n / 1e6:.2f}" for n in results["step"]["parameters"].values())),
            row("training step, 128 digits", *compared(times)),
            row("its operations, 10⁹", *(f"{n / 1e9:.0f}" for n in operations.values())),
        ]
        if "ceiling" in results:
            best, dtype = fastest_convolution(results["ceiling"])
            shares = (operations[name] / statistics.median(times[name]) / best for name in peers)
            lines += [row(f"share of a large {dtype} convolution's rate", *(f"{x:.0%}" for x in shares))]
        if results["step"]["kernels"]:  # on a GPU
            lines += [
                row("kernels launched", *map(str, results["step"]["kernels"].values())),
                row("peak memory, MB", *(f"{n / 1e6:.0f}" for n in results["step"]["memory"].values())),
            ]
    if "forward" in results:
        lines += [row("forward, 64 digits", *compared(results["forward"]["times"]))]
    if "sampling" in results:
        loops = {name: [t / 100 for t in times] for name, times in results["sampling"]["loops"].items()}
        ours, bare, theirs = compared(loops)
        lines += [
            row("DDPM beside the network, a step of 64 digits", f"{ours}; a bare loop {bare}", theirs, *blank)
        ]
    if "import" in results:
        lines += [row("import, beyond torch's", *compared(results["import"]["times"]), *blank)]
    return "\n".join([row("", *peers), row(*["---"] * (1 + len(peers))), *lines]) if lines else ""


def fastest_convolution(rates):
    """(rate, its type) of the convolutions in a machine's ceiling."""
    return max((rate, name.split()[1]) for name, rate in rates.items() if name.startswith("convolution"))


def seconds(results):
    """What has no peer, in sentences."""
    lines = []
    if "sampling" in results:
        samplers = results["sampling"]["samplers"].items()
        lines += ["64 digits: " + ", ".join(f"{name} {duration(times)}" for name, times in samplers) + "."]
    if results.get("threads"):
        both = [
            f"{name} " + " and ".join(f"{duration(times)} on {n}" for n, times in each.items())
            for name, each in results["threads"].items()
        ]
        lines += ["On one thread and on all, in turns: " + ", ".join(both) + "."]
    if "slider" in results:
        frames = [f"{name} {duration(times)}" for name, times in results["slider"]["times"].items()]
        frames += [f"{name} {1000 * t:.0f} ms" for name, t in results["slider"]["browser"].items()]
        lines += ["A slider of 8×8 digits: " + ", ".join(frames) + "."]
    if "notebooks" in results:
        lines += [
            "Notebooks: "
            + ", ".join(f"{name[:2]} {t:.0f} s" for name, t in results["notebooks"].items())
            + "."
        ]
    return "\n".join(f"* {line}" for line in lines)


def quality(results):
    if "quality" not in results:
        return ""
    result = results["quality"]
    columns = (
        "Fréchet distance",
        "labdiff",
        "rarest and commonest class",
        "confidence",
        "steps",
        "minutes",
        "diffusers",
    )
    if more := "precision" in result["real"]:
        columns += ("precision, recall", "background's std")
    lines = [row(*columns), row(*["---"] * len(columns))]

    def kept_variety(runs):
        keys = ("precision", "recall", "background") if more and runs else ()
        values = [statistics.median(r[key] for r in runs) for key in keys]
        return [f"{values[0]:.3f}, {values[1]:.3f}", f"{values[2]:.3f}"] if values else [""] * (2 * more)

    for minutes in sorted({run["minutes"] for run in result["runs"]}):
        ours, theirs = (
            [run for run in result["runs"] if run["name"] == name and run["minutes"] == minutes]
            for name in ("labdiff", "diffusers")
        )
        if ours:
            steps, seconds, confidence = (
                statistics.median(r[key] for r in ours) for key in ("steps", "seconds", "confidence")
            )
            lines += [
                row(
                    f"{minutes:g} minutes ({len(ours)} seed{'s' * (len(ours) > 1)})",
                    distances(ours),
                    f"{min(r['rarest'] for r in ours):.1%}, {max(r['commonest'] for r in ours):.1%}",
                    f"{confidence:.3f}",
                    f"{steps:.0f}",
                    f"{seconds / 60:.1f}",
                    distances(theirs),
                    *kept_variety(ours),
                )
            ]
    shipped = {f"the weights that ship: {sampler}": r for sampler, r in result["shipped"].items()}
    for name, r in (shipped | {"real training digits": result["real"]}).items():
        classes = f"{r['rarest']:.1%}, {r['commonest']:.1%}"
        lines += [
            row(name, f"{r['fd']:.1f}", classes, f"{r['confidence']:.3f}", *[""] * 3, *kept_variety([r]))
        ]
    return "\n".join(lines)


def distances(runs):
    values = [run["fd"] for run in runs]
    if len(values) < 2:
        return "".join(f"{v:.1f}" for v in values)
    return f"{statistics.median(values):.1f} [{min(values):.1f}–{max(values):.1f}]"


def row(*cells):
    return "| " + " | ".join(cells) + " |"


def duration(times):
    """Median and range, in seconds or milliseconds."""
    middle = statistics.median(times)
    unit, scale, digits = ("s", 1, 1) if middle >= 2 else ("ms", 1000, 0 if middle >= 0.02 else 2)
    low, middle, high = (f"{scale * t:.{digits}f}" for t in (min(times), middle, max(times)))
    return f"{middle} {unit} [{low}–{high}]"


def compared(times):
    """A cell for each competitor: its time, and the median over the turns of its ratio to labdiff's."""
    ours, cells = times["labdiff"], []
    for name, theirs in times.items():
        ratio = statistics.median(b / a for a, b in zip(ours, theirs))
        cells.append(duration(theirs) + ("" if name == "labdiff" else f", ×{ratio:.1f}"))
    return cells


def picture(result, path):
    """Frechet distance over minutes of training, as a PNG file."""
    figure = Figure(figsize=(6, 3.4), layout="constrained")
    ax = figure.subplots()
    for name, colour in (("diffusers", "tab:orange"), ("labdiff", "tab:blue")):
        runs = [run for run in result["runs"] if run["name"] == name]
        minutes = sorted({r["minutes"] for r in runs})
        ax.plot([r["seconds"] / 60 for r in runs], [r["fd"] for r in runs], "o", color=colour, alpha=0.6)
        medians = [statistics.median(r["fd"] for r in runs if r["minutes"] == m) for m in minutes]
        ax.plot(minutes, medians, color=colour, label=name)
    ax.axhline(result["real"]["fd"], color="tab:green", linestyle="--", label="real digits")
    ax.set(yscale="log", xlabel="minutes of training", ylabel="Fréchet distance", xlim=(0, None))
    ax.grid(alpha=0.3)
    ax.legend()
    figure.savefig(path, dpi=120)
