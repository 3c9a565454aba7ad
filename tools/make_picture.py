"""Make docs/forward_and_reverse.png, the picture at the top of the README."""

from pathlib import Path

import torch

import labdiff as ld


def main():
    model, s = ld.load_pretrained()
    levels = [0, 100, 200, 300, 400, 500, 600, 800, 1000]
    x0 = ld.load_digits("test").images[2:3].expand(len(levels), -1, -1, -1)
    generator = torch.Generator().manual_seed(3)
    forward = ld.q_sample(s, x0, torch.tensor(levels), torch.randn(x0.shape, generator=generator))
    states = {state.t: state for state in ld.ddpm_steps(model, s, (1, 1, 28, 28), generator=generator)}
    rows = {
        "forward:\nq noises a digit": forward,
        "reverse:\np paints one": torch.cat([states[t].x for t in levels]),
        "what the network\nsees in it": torch.cat([states[t].x0_hat for t in levels]),
    }
    figure = ld.plot.image_rows(rows, columns=[f"t = {t}" for t in levels])
    path = Path(__file__).parents[1] / "docs" / "forward_and_reverse.png"
    path.write_bytes(figure._repr_png_())
    print(path)


if __name__ == "__main__":
    main()
