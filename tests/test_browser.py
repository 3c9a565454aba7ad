"""The sliders as a person meets them: in a real JupyterLab and on exported pages, in a real Chromium.

The tests share one JupyterLab and one browser, and have a notebook each. Times: benchmarks/site.py.
"""

import base64
import io
import random
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from lab_in_browser import chromium, jupyter_lab, need_chromium, notebook, run_all
from PIL import Image

import labdiff as ld
from labdiff.plot import tile, to_uint8

T = 1000

pytestmark = pytest.mark.browser

START = f"""
import torch, labdiff as ld
torch.set_num_threads(1)
s, x0 = ld.linear_schedule(T={T}), ld.load_digits("test").images[:8]
eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(0))
def bent(s, x0, t, eps):  # no mix of x0 and eps
    return ld.q_sample(s, x0, t, eps).tanh()
def halving(x, t):
    return x / 2
"""
SLIDERS = (
    "ld.widgets.noise_slider(s, x0, eps=eps)",
    "ld.widgets.noise_slider(s, x0, q_sample=bent, eps=eps, t=300)",
)
S, X0 = ld.linear_schedule(T=T), ld.load_digits("test").images[:8]
EPS = torch.randn(X0.shape, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def _needs_chromium():
    need_chromium()
    state = random.getstate()  # the browser's driver draws from it
    yield
    random.setstate(state)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """(a folder, url(path) of a notebook in it as JupyterLab shows it, the browser)."""
    need_chromium()
    folder, profile = tmp_path_factory.mktemp("lab"), tmp_path_factory.mktemp("profile")
    with jupyter_lab(folder) as url, chromium(profile, has_touch=True) as context:
        yield folder, url, context


def expected(t, bend=False):
    xt = ld.q_sample(S, X0, t, EPS)
    return to_uint8(xt.tanh() if bend else xt)


def slider_of(section):
    return section.locator("input[type=range]").first


def set_t(section, t):
    slider_of(section).evaluate(
        """(input, t) => {
        input.value = t;
        for (const type of ["input", "change"]) input.dispatchEvent(new Event(type, {bubbles: true}));
    }""",
        t,
    )


def pixels(section, which=0):
    """The grey levels on a canvas, (H, W)."""
    width, height, data = (
        section.locator("canvas")
        .nth(which)
        .evaluate("""(canvas) => {
        const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        let text = "";
        for (let i = 0; i < data.length; i += 4) text += String.fromCharCode(data[i]);
        return [canvas.width, canvas.height, btoa(text)];
    }""")
    )
    return np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width)


def on_screen(page, section):
    """The same from a screenshot, back at one pixel for each of the canvas's."""
    canvas = section.locator("canvas").first
    canvas.scroll_into_view_if_needed()
    box, scale = canvas.bounding_box(), canvas.evaluate("(canvas) => canvas.clientWidth / canvas.width")
    assert scale == int(scale) and box["x"] == int(box["x"])
    shot = np.asarray(Image.open(io.BytesIO(page.screenshot(clip=box))).convert("RGB"))
    assert (shot == shot[..., :1]).all()
    half = int(scale) // 2
    return shot[half :: int(scale), half :: int(scale), 0]


# Counts the different pictures that a canvas shows, frame by frame.
WATCH = """(canvas) => {
    const context = canvas.getContext("2d");
    window.shown = new Set();
    const look = () => {
        const words = new Uint32Array(context.getImageData(0, 0, canvas.width, canvas.height).data.buffer);
        let hash = 0;
        for (const word of words) hash = (Math.imul(hash, 31) + word) | 0;
        window.shown.add(hash);
        requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
}"""
TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def a_drag_moves_the_picture(page, section, bend=False):
    slider_of(section).scroll_into_view_if_needed()
    set_t(section, 0)
    box = slider_of(section).bounding_box()
    y, left, right = box["y"] + box["height"] / 2, box["x"] + 8, box["x"] + box["width"] - 8
    page.mouse.move(left, y)
    page.mouse.down()
    section.locator("canvas").first.evaluate(WATCH)
    for i in range(1, 21):
        page.mouse.move(left + i / 20 * (right + 4 - left), y)
        page.evaluate(TWO_FRAMES)
    page.mouse.up()
    assert page.evaluate("window.shown.size") >= 15  # while the hand moves, not only at the end
    assert slider_of(section).input_value() == str(T)
    assert np.array_equal(pixels(section), tile(expected(T, bend), 8))


def pictures_are_true(page, section, bend=False):
    for t in (0, 1, 500, T):
        set_t(section, t)
        assert np.array_equal(pixels(section), tile(expected(t, bend), 8)), t
        assert np.array_equal(on_screen(page, section), tile(expected(t, bend), 8)), t


def keyboard_and_speech_work(page, section):
    slider = slider_of(section)
    set_t(section, 500)
    slider.focus()
    for key, t in (
        ("ArrowRight", 501),
        ("ArrowLeft", 500),
        ("PageUp", 600),
        ("PageDown", 500),
        ("Home", 0),
        ("End", T),
    ):
        page.keyboard.press(key)
        assert slider.input_value() == str(t), key
        assert section.locator("output").first.inner_text() == str(t)
        said = f"t = {t}, alpha_bar = {S.alpha_bar[t]:.4f}"
        assert said in slider.get_attribute("aria-valuetext")
        assert said in section.locator("canvas").first.get_attribute("aria-label")
    assert section.locator("label").first.inner_text() == "t"


def test_noise_slider_in_jupyterlab(lab):
    folder, url, context = lab
    notebook(folder / "sliders.ipynb", START, *SLIDERS)
    with context.new_page() as page:
        problems = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        run_all(page, url("sliders.ipynb"), panels=2)
        mixed, frames = page.locator("section.labdiff").all()
        pictures_are_true(page, mixed)
        pictures_are_true(page, frames, bend=True)
        keyboard_and_speech_work(page, mixed)
        a_drag_moves_the_picture(page, mixed)
        a_drag_moves_the_picture(page, frames, bend=True)
        narrow_and_dark_pages_hold_it(page, mixed)
        assert problems == []


def narrow_and_dark_pages_hold_it(page, section):
    height = section.bounding_box()["height"]
    for t in (0, 7, 1000):
        set_t(section, t)
        assert section.bounding_box()["height"] == height  # nothing jumps
    page.evaluate(
        "() => { jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'}) }"
    )
    page.wait_for_function("document.body.dataset.jpThemeLight === 'false'")
    page.set_viewport_size({"width": 400, "height": 900})
    page.wait_for_function("document.querySelector('section.labdiff canvas').width < 200")
    assert np.array_equal(pixels(section), tile(expected(T), 4))
    assert section.evaluate("(el) => el.scrollWidth <= el.clientWidth")
    ink = section.evaluate("(el) => getComputedStyle(el).color.match(/[\\d.]+/g).slice(0, 3).map(Number)")
    assert min(ink) > 150  # light on dark


def test_exported_page_without_kernel_and_network(tmp_path):
    pad = "ld.widgets.cloud_pad(ld.cosine_schedule(40), n=50, t=40)"
    path = notebook(
        tmp_path / "exported.ipynb", START, *SLIDERS, "ld.widgets.renoise(halving, s, x0, t=200)", pad
    )
    command = [sys.executable, "-m", "labdiff", "site", tmp_path / "site", path]
    subprocess.run(command, check=True)
    with chromium(tmp_path / "profile") as context:
        context.set_offline(True)
        wanted, problems = [], []
        context.route(
            "**/*",
            lambda route: route.continue_() if route.request.url.startswith("file:") else route.abort(),
        )
        page = context.new_page()
        page.on("request", lambda request: wanted.append(request.url))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto((tmp_path / "site" / "exported.html").as_uri())
        page.wait_for_selector("html[data-ready]")
        mixed, frames, renoise, cloud = page.locator("section.labdiff").all()
        pictures_are_true(page, mixed)
        pictures_are_true(page, frames, bend=True)
        noise = cloud.locator("canvas").nth(2).evaluate("(c) => c.toDataURL()")  # walked back; 0 is the pad
        cloud.locator("input[type=range]").focus()
        page.keyboard.press("Home")
        assert cloud.locator("canvas").nth(2).evaluate("(c) => c.toDataURL()") != noise, (
            "t = 0 looks like noise"
        )
        keyboard_and_speech_work(page, mixed)
        a_drag_moves_the_picture(page, mixed)
        assert "running notebook" in renoise.locator("[role=status]").inner_text()
        assert renoise.locator("figcaption").nth(2).inner_text() == "brought back from t = 200"
        page.goto((tmp_path / "site" / "index.html").as_uri())
        assert page.locator("main li a").count() == 1
        assert [url for url in wanted if not url.startswith(("file:", "data:"))] == [] and problems == []


def the_kernel_says(page, text):
    labels = "[...document.querySelectorAll('.widget-label')]"
    page.wait_for_function(f"{labels}.some((label) => label.textContent === '{text}')")


def test_links_players_and_the_kernel_in_jupyterlab(lab):
    folder, url, context = lab
    notebook(
        folder / "others.ipynb",
        START + "\nimport ipywidgets, pathlib, time\nheard = ipywidgets.Label('')\n",
        "a, b = ld.widgets.noise_slider(s, x0, eps=eps), ld.widgets.posterior_slider(s)\n"
        "ld.widgets.link(a, b)\n"
        "for panel in (a, b):\n    panel.observe(lambda _: setattr(heard, 'value', f'{a.t} {b.t}'), 't')\n"
        "display(heard, a, b)",
        "ld.widgets.trajectory_player(ld.ddpm_steps(halving, ld.linear_schedule(60), (8, 1, 28, 28)))",
        "def held(x, t):\n"  # while the test looks at what is there before the answer
        "    while pathlib.Path('hold').exists():\n        time.sleep(0.05)\n    return x / 2\n"
        "ld.widgets.renoise(held, s, x0, t=200)",
        "pad = ld.widgets.drawing_pad(halving, s)\n"
        "drawn = lambda: f'{pad.stroke} {len(set(pad.drawing)) > 20}'\n"
        "pad.observe(lambda _: setattr(heard, 'value', drawn()), 'stroke')\npad",
        "ld.widgets.reverse_slider(s, ld.two_bumps(), t=41, beta=0.3, xt=0.5)",
        "ld.widgets.noise_slider(s, x0, eps=eps, model=halving, t=900)",
    )
    with context.new_page() as page:
        run_all(page, url("others.ipynb"), panels=7)
        noise, posterior, player, renoise, pad, reverse, seeing = page.locator("section.labdiff").all()

        set_t(noise, 640)
        assert slider_of(posterior).input_value() == "640"
        set_t(noise, 0)
        assert slider_of(posterior).input_value() == "1"  # it begins at 1
        the_kernel_says(page, "0 1")
        for pause in range(40, 140, 5):  # a move just before the kernel's echo of the one before
            set_t(noise, 640)
            page.wait_for_timeout(pause)
            set_t(noise, 0)
            page.wait_for_timeout(50)
            assert (slider_of(noise).input_value(), slider_of(posterior).input_value()) == ("0", "1"), pause
        the_kernel_says(page, "0 1")

        slider_of(posterior).tap()  # a finger in the middle of it
        assert 450 < int(slider_of(posterior).input_value()) < 550
        assert slider_of(noise).input_value() == slider_of(posterior).input_value()

        assert player.locator("output").inner_text() == "60"
        player.get_by_role("button", name="one step on").click()
        assert player.locator("output").inner_text() == "59"
        player.get_by_role("combobox", name="speed").select_option("4")
        player.get_by_role("button", name="play").click()
        shown = player.locator("output").element_handle()
        page.wait_for_function("(output) => output.textContent === '0'", arg=shown)
        assert player.get_by_role("button", name="play").is_visible()  # stopped by itself
        player.get_by_role("button", name="play").click()  # from the start again
        player.get_by_role("button", name="pause").click()

        before = pixels(renoise, 2)
        (folder / "hold").touch()
        slider_of(renoise).focus()
        page.keyboard.press("PageUp")
        assert slider_of(renoise).input_value() == "300" and renoise.get_attribute("aria-busy") == "true"
        assert np.array_equal(pixels(renoise, 2), before)  # x_t has moved, the way back is under way
        (folder / "hold").unlink()
        page.wait_for_function(
            "(el) => el.getAttribute('aria-busy') === 'false'", arg=renoise.element_handle()
        )
        assert renoise.locator("figcaption").nth(2).inner_text() == "brought back from t = 300"
        assert not np.array_equal(pixels(renoise, 2), before)

        slider_of(seeing).scroll_into_view_if_needed()
        box = slider_of(seeing).bounding_box()
        page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 10)
        page.mouse.down()
        seeing.locator("canvas").nth(1).evaluate(WATCH)
        page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 10, steps=20)
        page.wait_for_function("window.shown.size > 1")  # x0_hat moves before the hand lets go
        page.mouse.up()
        has_ended(seeing)
        t = int(slider_of(seeing).input_value())
        xt = ld.q_sample(S, X0, t, EPS)
        x0_hat = ld.predict_x0(S, xt, t, xt / 2).clamp(-1, 1)
        assert 100 < t < 300 and np.array_equal(pixels(seeing, 1), tile(to_uint8(x0_hat), 8))

        pad.scroll_into_view_if_needed()
        box = pad.locator("canvas.labdiff-pad").bounding_box()
        page.mouse.move(box["x"] + 100, box["y"] + 20)
        page.mouse.down()
        page.mouse.move(box["x"] + 60, box["y"] + 140, steps=8)
        page.mouse.up()
        the_kernel_says(page, "1 True")
        drawn = pixels(pad, 1).astype(float)
        rows, columns = np.nonzero(drawn > 40)
        assert drawn.max() > 200 and 17 <= np.ptp(rows) <= 21  # MNIST's box of 20
        grid = np.arange(28)
        assert (
            abs(drawn.sum(1) @ grid / drawn.sum() - 13.5) < 0.3
            and abs(drawn.sum(0) @ grid / drawn.sum() - 13.5) < 0.3
        )

        x = torch.linspace(-4, 4, 8001, dtype=torch.float64)
        prior = ld.two_bumps().noised(S.alpha_bar[40].item()).log_prob(x[:, None])
        p = (prior - (0.5 - 0.7**0.5 * x) ** 2 / 0.6).softmax(0)
        shown = reverse.locator("td").first.inner_text()
        assert float(shown) == pytest.approx((p @ x).item(), abs=2e-4)

        page.evaluate(
            "() => { jupyterapp.commands.execute('notebook:run-all-cells') }"
        )  # once more: the old ones go
        page.wait_for_function(
            "document.querySelector('section.labdiff output')?.textContent === '0' && "
            "document.querySelectorAll('section.labdiff').length === 7"
        )


def has_ended(section):
    section.page.wait_for_function(
        "(el) => el.getAttribute('aria-busy') === 'false'", arg=section.element_handle(), timeout=30_000
    )


def test_stop_save_restart_and_open_again_in_jupyterlab(lab):
    folder, url, context = lab
    path = notebook(
        folder / "kept.ipynb",
        START,
        "ld.widgets.noise_slider(s, x0, eps=eps, t=300)",
        "ld.widgets.noise_slider(s, x0, q_sample=bent, eps=eps, t=300)",  # too large to be kept as it is
        "ld.widgets.renoise(halving, s, x0, t=200)",
        "ld.widgets.reverse_slider(s, ld.two_bumps(), t=41, beta=0.004, xt=0.0)",
        "ld.widgets.drawing_pad(halving, s)",
        "net = ld.UNet(8, mults=(1, 2), alpha_bar=s.alpha_bar)\n"
        "ld.widgets.training(net, s, x0, n_steps=100_000, batch_size=4, checkpoint='a.checkpoint')",
    )
    with context.new_page() as page:
        run_all(page, url("kept.ipynb"), panels=6)
        noise, _, renoise, reverse, pad, training = page.locator("section.labdiff").all()

        stop = training.get_by_role("button", name="Stop")
        stop.wait_for()
        stop.click()
        page.wait_for_function("/TrainingRun: \\d+ of/.test(document.body.innerText)")  # the cell's result
        stop.wait_for(state="hidden")
        text = page.inner_text(".jp-Notebook")
        assert "stopped after step" in text
        assert "Traceback" not in text and "KeyboardInterrupt" not in text
        assert re.search(r"TrainingRun: \d+ of 100000 steps", text)
        assert (folder / "a.checkpoint").is_file()

        price = float(reverse.locator("td").last.inner_text())  # 0 log 0 where the posterior underflows
        assert price == pytest.approx(0.00176, abs=5e-6)  # by torch on a grid of 20,001 points

        noise.locator(".labdiff-coefficient").first.scroll_into_view_if_needed()
        box = noise.locator(".labdiff-coefficient").first.bounding_box()
        before = int(slider_of(noise).input_value())
        page.mouse.move(box["x"] + 60, box["y"] + 20)
        page.mouse.down()
        page.mouse.move(box["x"] + 92, box["y"] + 20, steps=4)  # 0.2 more of the signal
        page.mouse.up()
        after = int(slider_of(noise).input_value())
        grown = S.alpha_bar[after].sqrt() - S.alpha_bar[before].sqrt()
        assert after < before and abs(grown - 0.2) < 0.02
        set_t(noise, 300)
        assert noise.locator("svg[role=img]").nth(0).is_hidden()  # the pixel's path
        noise.locator("canvas").first.click(position={"x": 50, "y": 50})
        assert noise.locator("svg[role=img]").nth(0).is_visible()

        picture = "(el) => el.toDataURL()"  # one pixel may be black in both
        first = renoise.locator("canvas").nth(1).evaluate(picture)
        renoise.get_by_role("button", name="new noise").click()
        has_ended(renoise)
        page.wait_for_function(
            f"([el, old]) => ({picture})(el) !== old",
            arg=[renoise.locator("canvas").nth(1).element_handle(), first],
        )

        pad.locator("canvas.labdiff-pad").focus()
        page.keyboard.press(" ")
        for _ in range(12):
            page.keyboard.press("ArrowDown")
        page.keyboard.press(" ")
        has_ended(pad)
        drawn = pixels(pad, 1)
        assert (
            drawn.max() > 200 and np.ptp(np.nonzero(drawn > 40)[0]) >= 17
        )  # upright, as high as MNIST's digits
        page.keyboard.press("Backspace")
        assert pixels(pad, 1).max() == 0

        page.evaluate("() => { jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart() }")
        status = renoise.locator("[role=status]")
        page.wait_for_function(
            "(el) => el.textContent.includes('run this cell again')", arg=status.element_handle()
        )
        slider_of(renoise).focus()
        page.keyboard.press("PageUp")
        assert "was restarted or shut down: run this cell again" in status.inner_text()

        page.evaluate("async () => { await jupyterapp.commands.execute('docmanager:save') }")
        page.wait_for_function("!jupyterapp.shell.currentWidget.context.model.dirty")
        ready = "jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === 'idle'"
        page.wait_for_function(ready)  # the restart is over
        page.evaluate("async () => { await jupyterapp.shell.currentWidget.sessionContext.shutdown() }")
        assert path.stat().st_size < 1_500_000

    with context.new_page() as page:
        page.goto(url("kept.ipynb"))
        page.wait_for_function("document.querySelectorAll('section.labdiff').length === 6")
        assert "model not found" not in page.inner_text(".jp-Notebook")
        noise, large, renoise, *_ = page.locator("section.labdiff").all()
        pictures_are_true(page, noise)
        assert large.locator("img").count() == 1 and "Run this cell" in large.inner_text()
        assert "running notebook" in renoise.locator("[role=status]").inner_text()
