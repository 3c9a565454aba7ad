"""How fast a page of the site samples by itself, in a Chromium without network: python benchmarks/site.py

Builds two pages, the index and one with two panels, and measures with the network loaded: 16 digits by ten
steps of DPM-Solver++, one digit brought back from t = 300, the longest frame meanwhile, and the time from a
key to changed pixels. The promises hold for two idle cores; the load is printed beside what was measured.
"""

import os
import shutil
import statistics
import tempfile
from pathlib import Path

import nbformat
from playwright.sync_api import Page, sync_playwright

import labdiff as ld
from labdiff.site import network, pages

DIGITS, KEYS = 3, 60
LONGEST = 300_000  # ms for one of them, on whatever machine
PROMISED = {
    "16 digits: first picture": 2000,
    "16 digits: all": 6000,
    "16 digits: longest frame": 100,
    "one digit from t = 300": 1500,
    "one digit: longest frame": 100,
    "key to pixels: median": 16,
    "key to pixels: 95th percentile": 33,
}

# What a panel says while it computes tells how far it is: to read a picture on the way would take time, too.
COMPUTE = """async ([section, button, longest]) => {
    const status = section.querySelector("[role=status]");
    const start = performance.now();
    let [first, frame, last] = [null, 0, start];
    if (button) section.querySelector("button").click();
    else {
        const slider = section.querySelector("input[type=range]");
        slider.value = 300;
        for (const type of ["input", "change"]) slider.dispatchEvent(new Event(type, {bubbles: true}));
    }
    for (;;) {
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        [frame, last] = [Math.max(frame, now - last), now];
        if (first === null && status.textContent.includes("step")) first = now - start;
        if (now - start > longest) throw new Error(`not done after ${longest} ms: ${status.textContent}`);
        const busy = section.getAttribute("aria-busy") === "true";
        if (first !== null && !busy) return [first, now - start, frame];
    }
}"""

# From a key's event to the frame in which the picture differs.
KEY = """async (section) => {
    const [slider, canvas] = [section.querySelector("input[type=range]"), section.querySelector("canvas")];
    const picture = () => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.join();
    window.keyTimes = [];
    let before = picture();
    slider.addEventListener("keydown", (event) => {
        const look = () => {
            const now = performance.now();
            const after = picture();
            if (after === before) { requestAnimationFrame(look); return; }
            window.keyTimes.push(now - event.timeStamp);
            before = after;
        };
        requestAnimationFrame(look);
    });
    slider.focus();
}"""


def panels_page(folder: Path, known: dict | None) -> Path:
    """A page with a noise slider and renoise() of one digit."""
    net, s = ld.load_pretrained()
    x0 = ld.load_digits("test").images
    panels = [ld.widgets.noise_slider(s, x0[:8], t=300), ld.widgets.renoise(net, s, x0[:1], t=299)]
    outputs = [
        nbformat.v4.new_output("display_data", {pages.VIEW: {"model_id": panel.model_id}}) for panel in panels
    ]
    state = {panel.model_id: panel.kept() for panel in panels}
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("", outputs=outputs)],
        metadata={"widgets": {pages.STATE: {"state": state}}},
    )
    pages.write(folder / "panels.ipynb", notebook, {folder / "panels.ipynb": "Panels"}, folder, known)
    return folder / "panels.html"


def opened(page: Page, path: Path) -> list:
    """The panels of a page."""
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready]")
    return page.query_selector_all("section.labdiff")


def measured(page: Page, folder: Path, known: dict | None) -> dict[str, float]:
    """Milliseconds: the medians of some runs after the first, which loads the network."""
    found: dict[str, float] = {}
    for what, path, which, button in (
        ("16 digits", pages.write_index({}, folder, known), 0, True),
        ("one digit", panels_page(folder, known), 1, False),
    ):
        section = opened(page, path)[which]
        runs = []
        for i in range(DIGITS + 1):
            runs.append(section.evaluate(f"(section) => ({COMPUTE})([section, {int(button)}, {LONGEST}])"))
            print(f"{what}, {'with loading' if i == 0 else 'loaded'}: {runs[-1][1]:.0f} ms", flush=True)
            if not button:
                section.query_selector("input").focus()
                page.keyboard.press("ArrowLeft")
                page.wait_for_function("(section) => section.ariaBusy === 'false'", arg=section)
        first, whole, frame = map(statistics.median, zip(*runs[1:], strict=True))
        if button:
            found |= {"16 digits: first picture": first, "16 digits: all": whole}
        else:
            found["one digit from t = 300"] = whole
        found[f"{what}: longest frame"] = frame
    opened(page, folder / "panels.html")[0].evaluate(KEY)
    for i in range(KEYS):
        page.keyboard.press("ArrowRight" if i % 3 else "PageUp" if i % 2 else "PageDown")
        page.wait_for_timeout(25 + 7 * (i % 5))
    times = page.evaluate("window.keyTimes")
    found["key to pixels: median"] = statistics.median(times)
    found["key to pixels: 95th percentile"] = statistics.quantiles(times, n=20)[-1]
    return found


def main() -> None:
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        raise SystemExit(f"site: expected a Chromium on the PATH, found none of {', '.join(names)}")
    with tempfile.TemporaryDirectory() as made, tempfile.TemporaryDirectory() as profile:
        folder = Path(made)
        known = network.put_network(folder, [network.fingerprint(ld.load_pretrained()[0])])
        with sync_playwright() as playwright:
            context = playwright.chromium.launch_persistent_context(
                profile, executable_path=chromium, args=["--no-sandbox"], offline=True
            )
            page = context.new_page()
            page.set_default_timeout(LONGEST)
            before = os.getloadavg()[0]
            found = measured(page, folder, known)
            print(f"load {before:.1f} before, {os.getloadavg()[0]:.1f} after, {os.cpu_count()} cores")
            context.close()
    for name, most in PROMISED.items():
        missed = "" if found[name] <= most else "  MISSED"
        print(f"{name:32} {found[name]:7.0f} ms, promised {most:5} ms{missed}")


if __name__ == "__main__":
    main()
