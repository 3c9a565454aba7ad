"""The site's pages on a phone and for who sees or uses them otherwise, in a real Chromium from file://."""

import os
import random
import re
from types import SimpleNamespace

import lab_in_browser
import pytest
import torch
from lab_in_browser import chromium
from test_site import NOTEBOOKS
from test_site_network import NET, X0, S, page_of

import labdiff as ld
from labdiff.site import npm

pytestmark = pytest.mark.browser
W = ld.widgets
PAGES = [path.stem for path in NOTEBOOKS] + ["glossary", "index", "gallery"]


@pytest.fixture(autouse=True)
def _driver_draws():
    state = random.getstate()  # the browser's driver draws from it
    yield
    random.setstate(state)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page of a browser without network, for all tests of this file."""
    if lab_in_browser.CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("CI has to run the browser tests, and there is no Chromium: apt-get install chromium")
        pytest.skip("no Chromium on the PATH: apt-get install chromium runs these tests, too")
    with chromium(tmp_path_factory.mktemp("profile")) as context:
        context.set_offline(True)
        page = context.new_page()
        page.set_default_timeout(120_000)
        yield page


@pytest.fixture(scope="session")
def gallery(tmp_path_factory):
    """The address of a page with every kind of panel. The notebooks' own need a kernel, for minutes."""
    return page_of(tmp_path_factory.mktemp("gallery"), gallery_panels(), NET)


def gallery_panels():
    """Every kind of panel, small."""
    g = torch.Generator().manual_seed(0)
    few = ld.linear_schedule(40)
    states = [*ld.ddim_steps(NET, S, (2, 1, 28, 28), n_steps=3, generator=g)]
    view, ten = W.TrainingView(10), W.TrainingView(10)
    view.say("step 3 of 10", n=3)
    ten.show(torch.zeros(10, 1, 28, 28))
    return [
        W.noise_slider(S, X0, generator=g, guess=True, model=NET, t=300),
        W.noise_slider(
            S, X0[:1], q_sample=lambda s, x0, t, eps: ld.q_sample(s, x0, t, eps).tanh(), generator=g
        ),
        W.schedule_slider(X0, generator=g),
        W.marginal_slider(few, ld.two_bumps(), generator=g),
        W.posterior_slider(few),
        W.reverse_slider(few, ld.two_bumps()),
        W.curve_slider(range(1, 41), {"beta_t": few.beta[1:]}, ylabel="beta_t", yscale="log"),
        W.trajectory_player({"a": states, "b": states}, s=S),
        W.snapshot_slider({1: X0, 2: -X0}),
        W.sample_slider(NET, S, n=2),
        W.renoise(NET, S, X0, n_steps=4, generator=g),
        W.drawing_pad(NET, S, n_steps=4, generator=g),
        W.guidance_slider(NET, S, n=2, n_steps=2),
        W.repair_pad(NET, S, n_steps=4, generator=g),
        W.interpolation_slider(NET, S, n=2, n_stops=3, n_steps=2, generator=g),
        W.cloud_pad(few, n=100, generator=g),
        ten,
        view,
    ]


def opened(page, name, gallery, committed_site):
    page.goto(gallery if name == "gallery" else (committed_site / f"{name}.html").as_uri())
    page.wait_for_selector("html[data-ready]")


# How many formulas are covered by their number, and how many sliders stand apart from their label.
OVERLAPS = """() => {
    const box = (e) => e.getBoundingClientRect();
    const parts = (tag) => [...tag.parentElement.querySelectorAll(":scope > .katex-base")];
    const covered = [...document.querySelectorAll(".katex-tag")].filter((tag) =>
        parts(tag).some((e) => box(e).right > box(tag).left));
    const apart = [...document.querySelectorAll("input[type=range]")].filter((e) =>
        box(e.previousElementSibling).bottom <= box(e).top);
    return covered.length + apart.length;
}"""


# Thousands of elements are alike for axe, which is slow: code whose colours came before becomes text of one
# colour, and a formula within a line becomes a letter.
ONCE = """() => {
    const seen = new Set();
    for (const block of document.querySelectorAll(".highlight pre")) {
        const kinds = [...block.querySelectorAll("span")].map((e) => e.className);
        if (kinds.every((kind) => seen.has(kind))) block.replaceChildren(block.textContent);
        kinds.forEach((kind) => seen.add(kind));
    }
    for (const each of document.querySelectorAll(":not(.katex-display) > .katex")) each.textContent = "x";
}"""


@pytest.mark.parametrize("name", PAGES)
def test_on_a_phone_nothing_scrolls_sideways_and_axe_finds_no_serious_violation(
    name, page, gallery, committed_site, with_npm
):
    opened(page, name, gallery, committed_site)
    page.evaluate((npm.modules() / "axe-core" / "axe.min.js").read_text("utf-8"))
    for scheme, width in (("light", 390), ("dark", 1280)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(OVERLAPS) == 0
        page.evaluate(ONCE)
        page.evaluate("() => new Promise((done) => setTimeout(done, 300))")  # what scrolls is marked
        # formulas are hidden from screen readers, which read the MathML beside them
        found = page.evaluate(
            """async () => {
            const options = {resultTypes: ["violations"], preload: false};
            const {violations} = await axe.run({exclude: [".katex"]}, options);
            return violations.map(({id, impact, nodes}) => [impact, id, nodes[0].html, nodes.length]);
        }"""
        )
        assert [each for each in found if each[0] in ("serious", "critical")] == [], scheme


REACHED = """() => {
    const each = document.activeElement;
    const place = each === document.body ? "end" : each.dataset.place || "";
    return [place, getComputedStyle(each).outlineStyle !== "none"];
}"""


@pytest.mark.parametrize("name", PAGES)
def test_the_tab_key_reaches_all_that_can_be_used_and_shows_where_it_is(
    name, page, gallery, committed_site, with_npm
):
    opened(page, name, gallery, committed_site)
    places = page.evaluate(
        """() => {
        const used = "a[href], input, select, button, canvas[tabindex], .labdiff-pad, pre[tabindex]";
        const there = [...document.querySelectorAll(used)].filter((e) => e.checkVisibility() && !e.disabled);
        there.forEach((each, i) => { each.dataset.place = `${i}`; });
        return there.map((each) => each.dataset.place);
    }"""
    )
    reached = []
    for _ in range(3 * len(places)):
        page.keyboard.press("Tab")
        place, outlined = page.evaluate(REACHED)
        if place == "end":
            break
        assert outlined, place
        reached.append(place)
    assert set(places) <= set(reached) and len(places) > 5


def test_the_keyboard_moves_every_slider_list_and_pixel(page, gallery, with_npm):
    page.goto(gallery)
    page.wait_for_selector("html[data-ready]")
    for section in page.locator("section.labdiff").all():
        name = section.get_attribute("aria-label")
        for slider in section.locator("input[type=range]:enabled").all():
            slider.focus()
            before, said = slider.input_value(), slider.get_attribute("aria-valuetext")
            page.keyboard.press("ArrowLeft" if before == slider.get_attribute("max") else "ArrowRight")
            assert slider.input_value() != before and slider.get_attribute("aria-valuetext") != said, name
        for choice in section.locator("select").all():
            choice.focus()
            before = choice.input_value()
            page.keyboard.press("ArrowDown")
            assert choice.input_value() != before, name
        for picture in section.locator("canvas[title]").all():
            picture.focus()
            page.keyboard.press("ArrowRight")
            assert section.locator("svg[role=img]").first.is_visible(), name
    mark = page.get_by_role("button", name="Now the digit is gone")
    mark.focus()
    page.keyboard.press("Enter")
    assert page.locator("section.labdiff").first.get_by_text("at t = 301").is_visible()


def test_a_pixel_of_a_trajectory_has_its_path_over_t(page, tmp_path):
    t = torch.tensor([1000, 400, 100, 0])
    levels = torch.linspace(-1, 1, 4)  # of the first image; the other's pixels are opposite
    runs = {
        name: [
            SimpleNamespace(t=int(k), x=sign * x.expand(2, 1, 8, 8), x0_hat=torch.zeros(2, 1, 8, 8))
            for k, x in zip(t, levels, strict=True)
        ]
        for name, sign in (("up", torch.tensor([1, -1]).reshape(2, 1, 1, 1)), ("flat", 0))
    }
    page.set_viewport_size({"width": 900, "height": 900})
    page.goto(page_of(tmp_path, [W.trajectory_player(runs, s=S)]))
    page.wait_for_selector("html[data-ready]")
    section = page.locator("section.labdiff")
    assert section.locator("svg[role=img]").count() == 0 or section.locator("svg[role=img]").is_hidden()

    def path(which):  # (x, y) from the left, that is from t = 0
        d = section.locator("path.curve").nth(which).get_attribute("d")
        return torch.tensor([float(v) for v in re.findall(r"[\d.]+", d)]).reshape(-1, 2)

    def rising(points):  # heights as shares of the whole range
        y = -points[:, 1]
        return ((y - y.min()) / (y.max() - y.min())).tolist()

    first = section.locator("canvas").first
    first.focus()
    page.keyboard.press("ArrowRight")
    assert rising(path(2)) == pytest.approx([1, 2 / 3, 1 / 3, 0], abs=0.01)  # 0 and 1 are keys of the legend
    ts = (path(2)[:, 0] - path(2)[0, 0]) / (path(2)[-1, 0] - path(2)[0, 0])
    assert ts.tolist() == pytest.approx([0, 0.1, 0.4, 1], abs=0.01)
    for _ in range(6):
        page.keyboard.press("ArrowRight")  # into the second image
    assert rising(path(2)) == pytest.approx([0, 1 / 3, 2 / 3, 1], abs=0.01)
    assert section.locator(".labdiff-spot").count() == 2
    dot = section.locator("svg[role=img] circle").first
    at = float(dot.get_attribute("cx"))
    assert at == pytest.approx(path(2)[-1, 0].item(), abs=0.1)  # the player stands at t = 1000
    section.get_by_role("slider").focus()
    page.keyboard.press("End")
    assert float(dot.get_attribute("cx")) == pytest.approx(path(2)[0, 0].item(), abs=0.1)
    section.get_by_role("combobox", name="run").select_option(label="flat")
    assert path(2)[:, 1].std() < 0.1


def test_panels_need_no_more_room_than_there_is_and_none_for_what_may_never_come(page, gallery, with_npm):
    for width in (320, 390, 900):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(gallery)
        page.wait_for_selector("html[data-ready]")
        found = page.evaluate(
            """() => [...document.querySelectorAll(".output_subarea:has(.labdiff)")]
            .filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.innerText.slice(0, 80))"""
        )
        assert found == [], width
    pad = page.locator("section[aria-label=drawing_pad]")
    boxes = [figure.bounding_box() for figure in pad.locator("figure").all()]
    assert len(boxes) == 5 and max(box["y"] for box in boxes) < boxes[0]["y"] + boxes[0]["height"]
    cloud = page.locator("section[aria-label=cloud_pad]").get_by_role("application")
    assert cloud.get_attribute("aria-label").startswith("a pad: draw a density with ")
    ten = page.locator("section[aria-label=TrainingView]").first.locator("canvas")
    assert ten.evaluate("(e) => [e.width, e.height]") == [5 * 30 - 2, 2 * 30 - 2]  # no empty places in a row
    view = page.locator("section[aria-label=TrainingView]").last
    assert view.get_by_text("step 3 of 10").is_visible() and view.bounding_box()["height"] < 100


def test_a_panel_is_painted_apart_from_its_page(page, gallery, with_npm):
    """Else each move paints the whole page anew, which takes a frame where it is long."""
    page.set_viewport_size({"width": 900, "height": 900})
    page.goto(gallery)
    page.wait_for_selector("html[data-ready]")
    of = (
        "([selector, name]) => [...document.querySelectorAll(selector)].map((e) => getComputedStyle(e)[name])"
    )
    assert set(page.evaluate(of, [".labdiff", "willChange"])) == {"transform"}
    assert set(page.evaluate(of, [".cell", "isolation"])) == {"isolate"}


def test_what_scrolls_on_a_phone_says_so_and_is_reached_once(page, committed_site, with_npm):
    page.set_viewport_size({"width": 390, "height": 844})
    opened(page, NOTEBOOKS[2].stem, None, committed_site)
    page.wait_for_selector(".formula[tabindex]")
    found = page.evaluate(
        """() => {
        const scrolls = (e) => getComputedStyle(e).overflowX === "auto";
        const there = [...document.querySelectorAll("main *")].filter((e) =>
            scrolls(e) || e.tabIndex === 0 && e.localName !== "a");
        return there.map((e) => [
            scrolls(e) && e.scrollWidth > e.clientWidth,
            e.tabIndex === 0,
            getComputedStyle(e).backgroundImage !== "none",
        ]);
    }"""
    )
    assert {tuple(each) for each in found} == {(True,) * 3, (False,) * 3}
    shown = "[...document.images].filter((e) => e.checkVisibility())"
    shrunk = f"() => {shown}.map((e) => [e.width / e.naturalWidth, e.width])"
    for share, width in page.evaluate(shrunk):
        assert share > 0.54 and (share < 0.56 or width <= 358)


@pytest.mark.parametrize("name", ["03_elbo_to_eps_loss", "index", "gallery"])
def test_on_paper_all_is_black_on_white_and_nothing_is_cut_off(name, page, gallery, committed_site, with_npm):
    page.set_viewport_size({"width": 680, "height": 1000})  # A4 between the margins
    opened(page, name, gallery, committed_site)
    page.emulate_media(media="print", color_scheme="dark")
    try:
        wide = """() => [...document.querySelectorAll("main, main *")]
            .filter((e) => !e.closest(".katex-mathml, .katex svg") && e.checkVisibility())
            .filter((e) => e.getBoundingClientRect().right > 680.5).map((e) => e.outerHTML.slice(0, 200))"""
        assert page.evaluate(wide) == []
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.evaluate("getComputedStyle(document.body).color") == "rgb(27, 27, 31)"
        inks = """() => [...document.querySelectorAll(".in-light, .in-dark")]
            .filter((e) => e.checkVisibility()).map((e) => e.className)"""
        figures = {"in-light"} if name.startswith("0") else set()
        assert set(page.evaluate(inks)) == figures
        page.emulate_media(media="screen")
        assert set(page.evaluate(inks)) == {each.replace("light", "dark") for each in figures}
    finally:
        page.emulate_media(media="screen", color_scheme="light")


def test_the_lessons_of_the_sliders_can_be_seen(page, tmp_path):
    betas = (0.001, 0.004, 0.009, 0.012)  # where a posterior underflows: 0 log 0
    panels = [W.reverse_slider(S, ld.two_bumps(), t=41, beta=beta) for beta in betas]
    beta_tilde = {"beta_tilde_t": S.beta_tilde[2:]}
    panels += [
        W.posterior_slider(S, t=3),
        W.curve_slider(range(2, S.T + 1), beta_tilde, ylabel="beta_tilde_t", yscale="log"),
        W.schedule_slider(X0[:1]),
    ]
    page.set_viewport_size({"width": 900, "height": 900})
    page.goto(page_of(tmp_path, panels))
    page.wait_for_selector("html[data-ready]")
    *reverse, posterior, curve, schedule = page.locator("section.labdiff").all()

    x = torch.linspace(-4, 4, 20001, dtype=torch.float64)
    prior = ld.two_bumps().noised(S.alpha_bar[40].item()).log_prob(x[:, None])
    for section, beta in zip(reverse, betas, strict=True):
        p = (prior - (1 - beta) * x**2 / (2 * beta)).softmax(0)
        mean = (p * x).sum()
        bell = (-((x - mean) ** 2) / (2 * (p * (x - mean) ** 2).sum())).log_softmax(0)
        kl = torch.xlogy(p, p).sum() - (p * bell).sum()
        assert float(section.locator("td").last.inner_text()) == pytest.approx(kl.item(), rel=0.06), beta

    numbers = """(svg, which) => [...svg.querySelectorAll(`text.${which}`)].map((e) =>
        [Number(e.textContent.replace("−", "-")), e.getBoundingClientRect().y]).filter(([v]) => !isNaN(v))"""

    def axis(section, which):
        return section.locator("svg[role=img]").evaluate(numbers, which)

    near = [
        v for v, _ in axis(posterior, "middle")
    ]  # at t = 3 all three curves are thin, and the axis is short
    slider = posterior.get_by_role("slider", name="noise level t")
    slider.focus()
    page.keyboard.press("End")
    far = [v for v, _ in axis(posterior, "middle")]
    assert max(near) - min(near) < 1 < 2 < max(far) - min(far)
    assert min(near) < 0.5 <= max(near)  # x_0, where the slider stands
    levels = axis(curve, "end")
    steps = {(a[0] / b[0], round(b[1] - a[1])) for a, b in zip(levels, levels[1:], strict=False)}
    assert len(levels) > 1 and {round(ratio, 3) for ratio, _ in steps} == {0.1} and len(steps) == 1

    last = schedule.get_by_role("slider").last
    kind = schedule.get_by_role("combobox")
    for choice, enabled in (("cosine", False), ("linear", True)):
        kind.select_option(label=choice)
        assert last.is_enabled() == enabled
