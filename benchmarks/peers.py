"""The peers, each at about the lab's 1.05 million parameters and in its own tutorial's training loop.

Each function takes (images, batch_size, device) and returns (model, eps_model, steps): the network, a
callable (x, t) -> eps_hat with the lab's t = 1..T, and an iterator of training steps. The peers get 28x28
pixels rather than padded ones, and their data in memory.
"""

import itertools

import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader

import labdiff as ld

LR = 4e-4  # that of diffusers' class on training from scratch
MANY = 1_000_000  # steps, for those who plan their learning rate but are only timed


def labdiff(images, batch_size, device, n_steps=MANY, seed=0):
    s, generator = ld.cosine_schedule(), torch.Generator(device).manual_seed(seed)
    model = ld.UNet(alpha_bar=s.alpha_bar, generator=generator).to(device)
    return (
        model,
        model,
        ld.train(model, s, images, n_steps=n_steps, batch_size=batch_size, generator=generator),
    )


def diffusers(images, batch_size, device, n_steps=MANY, seed=0):
    """Float32, a cosine learning rate after a warm-up, clipped gradients, no average of the weights, as in
    the tutorial."""
    from diffusers import DDPMScheduler, UNet2DModel
    from diffusers.optimization import get_cosine_schedule_with_warmup

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = UNet2DModel(
            sample_size=28,
            in_channels=1,
            out_channels=1,
            layers_per_block=1,
            norm_num_groups=16,
            block_out_channels=(32, 64, 64),
            down_block_types=("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
        ).to(device)

    def steps():
        scheduler = DDPMScheduler(num_train_timesteps=1000)
        optimizer = torch.optim.AdamW(model.parameters(), lr=LR)
        rates = get_cosine_schedule_with_warmup(optimizer, min(500, n_steps // 10), n_steps)
        generator = torch.Generator(device).manual_seed(seed)
        for x0 in batches(images, batch_size, seed):
            x0 = x0.to(device)
            noise = torch.randn(x0.shape, generator=generator, device=device)
            t = torch.randint(0, 1000, (len(x0),), generator=generator, device=device)
            loss = F.mse_loss(model(scheduler.add_noise(x0, noise, t), t, return_dict=False)[0], noise)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            rates.step()
            optimizer.zero_grad()
            yield loss.item()

    return model, lambda x, t: model(x, t - 1, return_dict=False)[0], steps()


def denoising_diffusion_pytorch(images, batch_size, device):
    from denoising_diffusion_pytorch import GaussianDiffusion, Unet

    model = Unet(dim=28, dim_mults=(1, 2, 2), channels=1, flash_attn=False).to(device)
    diffusion = GaussianDiffusion(model, image_size=28, objective="pred_noise", beta_schedule="linear").to(
        device
    )

    def steps():
        optimizer = torch.optim.Adam(diffusion.parameters(), lr=1e-4, betas=(0.9, 0.99))
        for x0 in batches(images / 2 + 0.5, batch_size):
            loss = diffusion(x0.to(device))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(diffusion.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            yield loss.item()

    return model, lambda x, t: model(x, t - 1), steps()


def smalldiffusion(images, batch_size, device):
    from accelerate import Accelerator
    from smalldiffusion import ScheduleDDPM, Unet, training_loop

    model = Unet(28, 1, 1, ch=32, ch_mult=(1, 1, 2), attn_resolutions=(14,)).to(device)
    schedule = ScheduleDDPM(N=1000, beta_start=1e-4, beta_end=0.02)
    loader = DataLoader(images, batch_size, shuffle=True, drop_last=True)
    steps = training_loop(
        loader, model, schedule, accelerator=Accelerator(cpu=torch.device(device).type == "cpu")
    )
    sigmas = schedule.sigmas.to(device)
    return model, lambda x, t: model(x, sigmas[t - 1]), steps


def batches(images, batch_size, seed=0):
    """The loader of the tutorials, again and again."""
    generator = torch.Generator().manual_seed(seed)
    return itertools.chain.from_iterable(
        itertools.repeat(DataLoader(images, batch_size, shuffle=True, drop_last=True, generator=generator))
    )


PEERS = {
    "labdiff": labdiff,
    "diffusers": diffusers,
    "denoising-diffusion-pytorch": denoising_diffusion_pytorch,
    "smalldiffusion": smalldiffusion,
}
