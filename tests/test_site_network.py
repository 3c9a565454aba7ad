"""The network in a page without kernel and web: equal to torch, and loaded when it is needed."""

import base64
import copy
import gzip

import nbformat
import numpy as np
import pytest
import torch
from lab_in_browser import chromium
from test_browser import _needs_chromium, pixels, set_t  # noqa: F401 - a fixture that each test here needs

import labdiff as ld
from labdiff.images import tile, to_uint8
from labdiff.site import network, pages
from labdiff.widgets.in_browser import KEEP

pytestmark = pytest.mark.browser
NET, S = ld.load_pretrained()
X0 = ld.load_digits("test").images[:2]

# Opens a worker from what the page carries, once, and collects what it says of a job.
RUN = """async ([fingerprint, job]) => {
    const floats = (text) => new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
    const text = (array) => {
        const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
        return btoa(Array.from(bytes, (b) => String.fromCharCode(b)).join(""));
    };
    async function open() {
        const {parts, weights} = JSON.parse(document.getElementById("labdiff-networks").textContent);
        const texts = {};
        globalThis.labdiffPart = (name, text) => { texts[name] = (texts[name] || "") + text; };
        for (const file of Object.values(parts).flat()) {
            await new Promise((done, failed) => {
                const script = document.createElement("script");
                document.head.append(Object.assign(script, {src: file, onload: done, onerror: failed}));
            });
        }
        const source = JSON.parse(document.getElementById("labdiff-worker").textContent);
        const worker = new Worker(URL.createObjectURL(new Blob([source], {type: "text/javascript"})));
        const {part, classes} = weights[fingerprint];
        await new Promise((done, failed) => {
            worker.onmessage = ({data}) => (data.error ? failed(new Error(data.error)) : done());
            worker.postMessage({open: {...texts, weights: texts[part], classes}});
        });
        return worker;
    }
    const worker = await (globalThis.testWorker ||= open());
    return await new Promise((done, failed) => {
        const said = [];
        worker.onmessage = ({data}) => {
            if (data.error) { failed(new Error(data.error)); return; }
            said.push({t: data.t, x: text(data.x), eps: data.eps && text(data.eps)});
            if (data.step === data.of) done(said);
        };
        const jobs = {...job, x: job.x && floats(job.x), alphaBar: Float64Array.from(job.alphaBar)};
        worker.postMessage({owner: "test", id: 1, job: jobs});
    });
}"""


def page_of(folder, panels, *nets):
    """A page that shows the panels as a notebook left them, and the networks beside it."""
    kept = {panel.model_id: panel.kept() for panel in panels}
    outputs = [
        nbformat.v4.new_output(
            "display_data", {pages.VIEW: {"model_id": panel.model_id}, "text/plain": "panel"}
        )
        for panel in panels
    ]
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("", outputs=outputs)],
        metadata={"widgets": {pages.STATE: {"state": kept}}},
    )
    path = folder / "live.ipynb"
    known = network.put_network(folder, pages.networks_in(notebook), nets)
    pages.write(path, notebook, {path: "Live"}, folder, known)
    return (folder / "live.html").as_uri()


def conditional():
    """A network that knows labels, and whose output depends on them."""
    net = ld.UNet(
        8, mults=(1, 2), classes=3, alpha_bar=S.alpha_bar, generator=torch.Generator().manual_seed(1)
    )
    with torch.no_grad():
        for p in net.head.parameters():
            p.normal_(generator=torch.Generator().manual_seed(2)).mul_(0.2)
        for p in net.parameters():
            p.copy_(p.half())
    return net.eval()


def shipped_graph(folder):
    """The shipped network as ONNX, which the cache has."""
    parts = network.put_network(folder, [network.fingerprint(NET)])["parts"]
    files = [folder / file for file in parts[f"weights-{network.fingerprint(NET)}"]]
    return gzip.decompress(base64.b64decode("".join(file.read_text().split('"')[3] for file in files)))


def floats(text, shape):
    return torch.from_numpy(np.frombuffer(base64.b64decode(text), np.float32).reshape(shape).copy())


def job(noise, method, n_steps, t=S.T, **more):
    given = {
        "method": method,
        "nSteps": n_steps,
        "t": t,
        "shape": list(noise.shape),
        "seed": 0,
        "clip": False,
    }
    x = base64.b64encode(noise.numpy().tobytes()).decode()
    return given | {"alphaBar": S.alpha_bar.tolist(), "x": x, "label": None, "scale": 1} | more


@pytest.mark.parametrize("which", ["shipped", "with labels"])
def test_equal_to_torch(which, with_npm, tmp_path):
    net = NET if which == "shipped" else conditional()
    g = torch.Generator().manual_seed(5)
    x = torch.randn((3, 1, 28, 28), generator=g)
    url = page_of(tmp_path, [ld.widgets.sample_slider(net, S, n=1)], net)
    name = network.fingerprint(net)
    label = [2, 0, 1] if net.classes else None
    guide = {"label": label, "scale": 1.5} if label else {}
    model = ld.guided(net, torch.tensor(label), scale=1.5) if label else net
    with chromium(tmp_path / "profile") as context:
        context.set_offline(True)
        page = context.new_page()
        page.goto(url)
        run = lambda *given, **more: page.evaluate(RUN, [name, job(*given, **guide | more)])  # noqa: E731

        for t in (1, 40, 700, 1000):
            with torch.no_grad():
                eps_hat = model(x, torch.full((3,), t))
            first = run(x, "ddim", 1, t)[0]
            assert first["t"] == t
            assert (floats(first["eps"], x.shape) - eps_hat).abs().max() < 1e-4, t

        steps = {"ddim": lambda **more: ld.ddim_steps(model, S, xt=x, t=S.T, n_steps=8, **more)}
        steps["dpm"] = lambda **more: ld.dpm_steps(model, S, xt=x, t=S.T, n_steps=8, **more)
        steps["ddpm"] = lambda **more: ld.ddpm_steps(
            model, S, xt=x, t=12, generator=torch.Generator().manual_seed(7), **more
        )
        for method, states in steps.items():
            for clip in (True, False):
                said = run(x, method, 8, 12 if method == "ddpm" else S.T, clip=clip, seed=7)
                expected = list(states(clip_x0=clip))
                assert [each["t"] for each in said] == [state.t for state in expected]
                found = to_uint8(floats(said[-1]["x"], x.shape).clamp(-1, 1)).astype(int)
                assert np.abs(found - to_uint8(expected[-1].x.clamp(-1, 1))).max() <= 1, (method, clip)

        seeded = run(x, "ddim", 1, x=None, seed=2**31 + 5)[0]["x"]  # the noise of torch's generator
        drawn = torch.randn(x.shape, generator=torch.Generator().manual_seed(2**31 + 5))
        assert (floats(seeded, x.shape) - drawn).abs().max() < 1e-5


def ended(section):
    section.page.wait_for_function(
        "(el) => el.getAttribute('aria-busy') === 'false'", arg=section.element_handle(), timeout=300_000
    )
    assert section.locator("[role=status]").inner_text() == ""


def near(shown, x, columns):
    return np.abs(shown.astype(int) - tile(to_uint8(x), columns)).max() <= 1


def test_panels_compute_without_a_kernel(with_npm, tmp_path):
    g = torch.Generator().manual_seed(3)
    samples = ld.widgets.sample_slider(NET, S, n=2, seed=0)
    renoise = ld.widgets.renoise(NET, S, X0, n_steps=10, generator=g, t=200)
    pad = ld.widgets.drawing_pad(NET, S, n_steps=4)
    other = ld.widgets.sample_slider(lambda x, t: x / 2, S, n=1)
    eps = torch.randn(X0.shape, generator=torch.Generator().manual_seed(3))
    url = page_of(tmp_path, [samples, renoise, pad, other], NET)
    with chromium(tmp_path / "profile") as context:
        context.set_offline(True)
        page = context.new_page()
        wanted, problems = [], []
        page.on("request", lambda request: wanted.append(request.url))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(url)
        page.wait_for_selector("html[data-ready]")
        samples, renoise, pad, other = page.locator("section.labdiff").all()
        assert [each for each in wanted if "/network/" in each] == []  # a page that never samples loads none

        seed = samples.get_by_role("slider", name="seed")
        samples.get_by_role("slider", name="DDIM steps").focus()
        page.keyboard.press("Home")  # one step
        ended(samples)
        assert any("/network/" in each for each in wanted)
        seed.focus()
        for _ in range(3):
            page.keyboard.press("ArrowRight")  # the first two are given up
        ended(samples)
        g = torch.Generator().manual_seed(3)
        x = ld.sample(NET, S, (2, 1, 28, 28), method="ddim", n_steps=1, generator=g)
        assert near(pixels(samples), x, 8)
        assert samples.locator("figcaption").inner_text() == "seed 3, 1 DDIM steps"

        set_t(renoise, 300)
        ended(renoise)
        xt = ld.q_sample(S, X0, 300, eps)
        first, *_, last = ld.ddim_steps(NET, S, xt=xt, t=300, n_steps=3)
        assert near(pixels(renoise, 2), last.x, 8) and near(pixels(renoise, 3), first.x0_hat.clamp(-1, 1), 8)
        assert renoise.locator("figcaption").nth(2).inner_text() == "brought back from t = 300"
        before = pixels(renoise, 1)
        renoise.get_by_role("button", name="new noise").click()
        ended(renoise)
        assert not np.array_equal(pixels(renoise, 1), before)

        before = pixels(pad, 3)
        pad.scroll_into_view_if_needed()
        box = pad.locator("canvas.labdiff-pad").bounding_box()
        page.mouse.move(box["x"] + 100, box["y"] + 20)
        page.mouse.down()
        page.mouse.move(box["x"] + 60, box["y"] + 140, steps=4)
        page.mouse.up()
        ended(pad)
        assert not np.array_equal(pixels(pad, 3), before)

        other.get_by_role("slider", name="seed").focus()
        page.keyboard.press("ArrowRight")
        assert "running notebook" in other.locator("[role=status]").inner_text()
        assert [each for each in wanted if not each.startswith(("file:", "data:", "blob:"))] == []
        assert problems == []


def test_what_fails_is_said_and_another_try_works(with_npm, tmp_path, monkeypatch):
    other = copy.deepcopy(NET)
    with torch.no_grad():
        other.head.bias += 1e-6  # another network, for the same pictures
    monkeypatch.setattr(network, "onnx_of", lambda net: shipped_graph(tmp_path / "shipped"))
    panels = [ld.widgets.sample_slider(net, S, n=1) for net in (NET, other)]
    url = page_of(tmp_path, panels, NET, other)
    lost = tmp_path / "network" / "wasm.01.js"  # after the first part has arrived
    with chromium(tmp_path / "profile") as context:
        context.set_offline(True)

        def opened(without=None):
            page = context.new_page()
            if without:
                page.add_init_script(f"delete window.{without}")
            page.goto(url)
            return page

        def moved(page):
            page.wait_for_selector("html[data-ready]")
            for slider in page.get_by_role("slider", name="seed").all():
                slider.focus()
                page.keyboard.press("ArrowRight")

        def all_say(page, text):
            says = "(e) => e.textContent.includes(text)"
            every = f"(text) => [...document.querySelectorAll('[role=status]')].every({says})"
            page.wait_for_function(every, arg=text)

        kept = lost.rename(tmp_path / "kept")
        page = opened()
        moved(page)  # two networks at once, of one runtime
        all_say(page, f"network/{lost.name} is missing beside this page")
        kept.rename(lost)
        moved(page)
        g = torch.Generator().manual_seed(2)
        x = ld.sample(NET, S, (1, 1, 28, 28), method="ddim", n_steps=20, generator=g)
        for section in page.locator("section.labdiff").all():
            ended(section)
            assert near(pixels(section), x, 8)
        assert page.locator("#labdiff-still").is_hidden()

        whole = lost.read_bytes()
        for damaged in (whole[: len(whole) // 2], whole[:90_000] + b"A" * 90 + whole[90_090:]):
            lost.write_bytes(damaged)
            page = opened()
            moved(page)
            all_say(page, "A file in the folder network beside this page is damaged: copy the whole site")
        lost.write_bytes(whole)
        moved(page)
        for section in page.locator("section.labdiff").all():
            ended(section)
            assert near(pixels(section), x, 8)

        page = opened(without="Worker")
        moved(page)
        all_say(page, "This browser can't compute it (Worker")
        page = opened(without="DecompressionStream")
        page.wait_for_selector("#labdiff-still")
        assert "browser of 2023 or newer" in page.inner_text("main")


def a_seven():
    """Bytes of a drawing: a bar on top and a stroke down."""
    ink = np.zeros((28, 28), np.uint8)
    ink[6:9, 7:21] = 255
    for row in range(9, 23):
        ink[row, 20 - (row - 9) // 2 - 1 : 20 - (row - 9) // 2 + 1] = 255
    return ink.tobytes()


def test_repair_and_x0_hat_are_the_kernels(with_npm, tmp_path):
    g = torch.Generator().manual_seed(4)
    pad = ld.widgets.repair_pad(NET, S, n_steps=5, generator=g)
    pad.drawing = a_seven()
    noise = ld.widgets.noise_slider(S, X0, generator=g, model=NET, t=900)
    url = page_of(tmp_path, [pad, noise], NET)
    with chromium(tmp_path / "profile") as context:
        context.set_offline(True)
        page = context.new_page()
        page.goto(url)
        page.wait_for_selector("html[data-ready]")
        repair, slider = page.locator("section.labdiff").all()
        for name, value in (("label", "3"), ("known", "upper half")):
            repair.get_by_role("combobox", name=name).select_option(label=value)
            setattr(pad, name, value)
        repair.get_by_role("button", name="new noise").click()
        pad.draw = 1
        ended(repair)
        known = pad.computed
        for which, key in ((1, "xt"), (2, "back")):
            image = np.frombuffer(known["buffers"][known["tree"][key]["buffer"]], np.uint8).reshape(28, 28)
            assert np.abs(pixels(repair, which).astype(int) - image).max() <= 1, key
        assert np.array_equal(pixels(repair, 2)[:14], np.frombuffer(a_seven(), np.uint8).reshape(28, 28)[:14])
        assert repair.locator("figcaption").nth(2).inner_text() == "brought back as a 3"

        for t in (800, 700, 400, 0):  # each but the last may be passed over
            set_t(slider, t)
        ended(slider)
        assert near(pixels(slider, 1), X0, 8)
        slider.get_by_role("slider", name="noise level t").focus()
        for _ in range(5):
            page.keyboard.press("PageUp")
        ended(slider)
        noise.t = 500
        tree, buffers = noise.computed["tree"], noise.computed["buffers"]
        image = np.frombuffer(buffers[tree["x0_hat"]["buffer"]], np.uint8).reshape(tree["x0_hat"]["shape"])
        assert np.abs(pixels(slider, 1).astype(int) - tile(image, 8)).max() <= 1
        assert "labdiff-busy" not in slider.get_attribute("class")


def test_the_cloud_pad_walks_without_a_kernel(with_npm, tmp_path):
    few = ld.cosine_schedule(40)
    pad = ld.widgets.cloud_pad(few, n=200, generator=torch.Generator().manual_seed(4), t=40)
    url = page_of(tmp_path, [pad], NET)  # needs no network
    with chromium(tmp_path / "profile") as context:
        context.set_offline(True)
        page = context.new_page()
        problems = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(url)
        page.wait_for_selector("html[data-ready]")

        x = torch.randn((50, 2), generator=torch.Generator().manual_seed(5), dtype=torch.float64)
        eps_hat = pad.cloud.exact_eps(few)
        exact = """([points, variance, x, alphaBar]) => {
            const text = JSON.parse(document.getElementById("labdiff-worker").textContent);
            const exactEps = new Function(`${text}; return exactEps;`)();
            return Array.from(exactEps(points, variance, x, alphaBar));
        }"""
        for t in (1, 20, 40):
            given = [pad.cloud.means.flatten().tolist(), pad.cloud.var, x.flatten().tolist()]
            shown = page.evaluate(exact, [*given, few.alpha_bar[t].item()])
            shown = torch.tensor(shown, dtype=torch.float64)
            expected = eps_hat(x, torch.full((50,), t)).flatten()
            assert (shown - expected).abs().max() < 1e-9, t

        section = page.locator("section.labdiff")
        kernels = [pixels(section, k) for k in (1, 2)]
        set_t(section, 0)
        assert not np.array_equal(pixels(section, 2), kernels[1])  # of the kernel's own walk, at once
        section.scroll_into_view_if_needed()
        box = section.locator("canvas.labdiff-pad").bounding_box()
        page.mouse.move(box["x"] + 40, box["y"] + 84)
        page.mouse.down()
        page.mouse.move(box["x"] + 130, box["y"] + 84, steps=6)
        page.mouse.up()
        ended(section)
        for which in (1, 2):  # x_0, and what walks back to it: a bar across the middle
            rows, columns = np.nonzero(pixels(section, which))
            x, y = (columns + 0.5) / 20 - 2.4, 2.4 - (rows + 0.5) / 20
            assert len(rows) > 50 and abs(y).max() < 0.4 and 0.5 < abs(x).max() < 1 and abs(x.mean()) < 0.2
        drawn = pixels(section, 2)
        set_t(section, 40)
        rows, _ = np.nonzero(pixels(section, 2))
        assert (2.4 - (rows + 0.5) / 20).std() > 0.7  # noise
        set_t(section, 0)
        assert np.array_equal(pixels(section, 2), drawn) and problems == []


def test_a_network_of_ones_own_comes_along(with_npm, tmp_path, monkeypatch):
    monkeypatch.setenv(KEEP, str(tmp_path))
    monkeypatch.setattr(network, "onnx_of", lambda net: b"a graph")
    net = conditional()
    with torch.no_grad():
        net.stem.weight += 1e-4  # no longer what half precision holds
    panel = ld.widgets.guidance_slider(net, S, labels=[0, 1], n=1, n_steps=1)
    (again,) = network.kept(tmp_path)
    assert again.classes == 3 and network.fingerprint(again) == network.fingerprint(net)
    x = torch.randn((1, 1, 28, 28), generator=torch.Generator().manual_seed(6))
    with torch.no_grad():
        assert torch.equal(again(x, torch.tensor([500])), net(x, torch.tensor([500])))
    out = tmp_path / "out"
    known = network.put_network(out, [panel.spec["sampler"]["weights"]], [NET, again])
    assert list(known["weights"]) == [network.fingerprint(net)]
    with torch.no_grad():
        again.stem.weight += 1  # a second build, after another training
    other = network.fingerprint(again)
    network.put_network(out, [other], [again])
    assert [path.name for path in (out / "network").glob("weights*.js")] == [f"weights-{other}.00.js"]


def test_the_graph_is_in_halves_and_the_site_small(with_npm, tmp_path):
    known = network.put_network(tmp_path, [network.fingerprint(NET)])
    files = [tmp_path / file for part in known["parts"].values() for file in part]
    assert all(file.is_file() for file in files) and sum(file.stat().st_size for file in files) < 9e6
    assert (
        sum(
            (tmp_path / file).stat().st_size for file in known["parts"][f"weights-{network.fingerprint(NET)}"]
        )
        < 3.2e6
    )
    assert network.put_network(tmp_path, ["another"]) is None
