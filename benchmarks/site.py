"""How fast a page of the site samples by itself: python benchmarks/site.py [FOLDER of `labdiff site`]

Times, in a Chromium without network, from the click on the index's "New digits": the first picture and all
sixteen after ten steps of DPM-Solver++, and the longest frame meanwhile. Promised on two idle cores, with the
network loaded: 2 s, 6 s, 100 ms.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

CLICK = """async (section) => {
    const status = section.querySelector("[role=status]");
    const canvas = section.querySelectorAll("canvas")[1];
    const picture = () => canvas.toDataURL();
    const start = performance.now();
    const before = picture();
    let [first, longest, last] = [null, 0, start];
    section.querySelector("button").click();
    for (;;) {
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        [longest, last] = [Math.max(longest, now - last), now];
        if (first === null && picture() !== before) first = now - start;
        if (first !== null && status.textContent === "") return [first, now - start, longest];
    }
}"""


def main(site: Path) -> None:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as profile:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=chromium, args=["--no-sandbox"], offline=True
        )
        page = context.new_page()
        page.set_default_timeout(300_000)
        page.goto((site / "index.html").resolve().as_uri())
        page.wait_for_selector("html[data-ready]")
        section = page.locator("section.labdiff").first.element_handle()
        for name in ("with loading", "loaded", "loaded"):
            first, whole, longest = section.evaluate(CLICK)
            print(f"{name}: first picture {first:.0f} ms, 16 digits {whole:.0f} ms, frame {longest:.0f} ms")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/html"))
