"""The site's pages on a phone and for who sees or uses them otherwise, in a real Chromium from file://."""

import os
import random

import lab_in_browser
import pytest
from lab_in_browser import chromium
from test_site import NOTEBOOKS

from labdiff.site import npm

pytestmark = pytest.mark.browser
PAGES = [path.stem for path in NOTEBOOKS] + ["glossary", "index"]


@pytest.fixture(autouse=True)
def _needs_chromium():
    if lab_in_browser.CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("CI has to run the browser tests, and there is no Chromium: apt-get install chromium")
        pytest.skip("no Chromium on the PATH: apt-get install chromium runs these tests, too")
    state = random.getstate()  # the browser's driver draws from it
    yield
    random.setstate(state)


@pytest.mark.parametrize("name", PAGES)
def test_on_a_phone_nothing_scrolls_sideways_and_axe_finds_no_serious_violation(
    name, committed_site, with_npm, tmp_path
):
    axe = (npm.modules() / "axe-core" / "axe.min.js").read_text("utf-8")
    with chromium(tmp_path / "profile") as context:
        context.set_offline(True)
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.goto((committed_site / f"{name}.html").as_uri())
        page.wait_for_selector("html[data-ready]")
        page.evaluate(axe)
        for scheme, width in (("light", 390), ("dark", 1280)):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 844})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            # formulas are hidden from screen readers, which read the MathML beside them
            page.evaluate("() => new Promise((done) => setTimeout(done, 300))")  # what scrolls is marked
            found = page.evaluate(
                """async () => {
                const what = {exclude: [".katex"]};
                const {violations} = await axe.run(what, {resultTypes: ["violations"]});
                return violations.map(({id, impact, nodes}) => [impact, id, nodes[0].html, nodes.length]);
            }"""
            )
            assert [each for each in found if each[0] in ("serious", "critical")] == [], scheme
