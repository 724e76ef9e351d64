"""Golden values of wgangp: Wasserstein GAN with gradient penalty, Gulrajani et al. 2017. Usage: /usr/bin/python3 -B wgangp.py"""

import torch
from torch import nn

import fill
import record

LATENT = 128
DIM = 128
CRITIC_STEPS = 5
PENALTY = 10.0
LEARNING_RATE = 1e-4
BETAS = (0.0, 0.9)


class Block(nn.Module):
    """Without a shortcut module the shortcut is the identity."""

    def __init__(self, main, shortcut=None):
        super().__init__()
        self.main = nn.Sequential(*main)
        if shortcut:
            self.shortcut = nn.Sequential(*shortcut)

    def forward(self, x):
        return self.main(x) + (self.shortcut(x) if hasattr(self, "shortcut") else x)


def generator(channels, height, width, latent=LATENT, dim=DIM):
    h, w = height // 8, width // 8
    blocks = [
        Block(
            [nn.BatchNorm2d(dim), nn.ReLU(), nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(dim, dim, 3, 1, 1),
             nn.BatchNorm2d(dim), nn.ReLU(), nn.Conv2d(dim, dim, 3, 1, 1)],
            [nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(dim, dim, 1)],
        )
        for _ in range(3)
    ]
    return nn.Sequential(
        nn.Linear(latent, dim * h * w), nn.Unflatten(1, (dim, h, w)),
        *blocks,
        nn.BatchNorm2d(dim), nn.ReLU(), nn.Conv2d(dim, channels, 3, 1, 1), nn.Tanh(),
    )


def critic(channels, height, width, dim=DIM):
    """Height and width only have to divide by 4: the mean takes what remains."""

    def normed_conv():
        return [nn.GroupNorm(1, dim), nn.ReLU(), nn.Conv2d(dim, dim, 3, 1, 1)]

    return nn.Sequential(
        Block([nn.Conv2d(channels, dim, 3, 1, 1), *normed_conv(), nn.AvgPool2d(2)], [nn.AvgPool2d(2), nn.Conv2d(channels, dim, 1)]),
        Block([*normed_conv(), *normed_conv(), nn.AvgPool2d(2)], [nn.AvgPool2d(2), nn.Conv2d(dim, dim, 1)]),
        Block([*normed_conv(), *normed_conv()]),
        Block([*normed_conv(), *normed_conv()]),
        nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(dim, 1),
    )


def gradient_penalty(D, x, generated, eps):
    xhat = (eps * x + (1 - eps) * generated).requires_grad_()
    gradient, = torch.autograd.grad(D(xhat).sum(), xhat, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


def train(shape, batch, iterations, dtype):
    """Trains from the formula's weights, on its images and noise; returns what the golden file keeps."""
    G, D = generator(*shape).to(dtype), critic(*shape).to(dtype)
    fill.fill_network("generator", G)
    fill.fill_network("critic", D)
    G_optimiser = torch.optim.Adam(G.parameters(), lr=LEARNING_RATE, betas=BETAS)
    D_optimiser = torch.optim.Adam(D.parameters(), lr=LEARNING_RATE, betas=BETAS)
    draws = fill.Draws(batch, shape, dtype)
    critic_losses, wasserstein, penalties, generator_losses = [], [], [], []

    for _ in range(iterations):
        losses, estimates, terms = [], [], []
        for _ in range(CRITIC_STEPS):
            x = draws.images()
            with torch.no_grad():  # in train mode: batch statistics are used and the running ones move
                generated = G(draws.normal((batch, LATENT)))
            on_real = D(x).mean()
            on_generated = D(generated).mean()
            penalty = gradient_penalty(D, x, generated, draws.uniform(0, 1, (batch, 1, 1, 1)))
            loss = on_generated - on_real + PENALTY * penalty
            D_optimiser.zero_grad()
            loss.backward()
            D_optimiser.step()
            losses.append(record.nine(loss.item()))
            estimates.append(record.nine((on_real - on_generated).item()))
            terms.append(record.nine(penalty.item()))
        critic_losses.append(losses)
        wasserstein.append(estimates)
        penalties.append(terms)

        loss = -D(G(draws.normal((batch, LATENT)))).mean()
        G_optimiser.zero_grad()
        loss.backward()
        G_optimiser.step()
        generator_losses.append(record.nine(loss.item()))

    return {
        "critic_loss": critic_losses,
        "wasserstein": wasserstein,
        "gradient_penalty": penalties,
        "generator_loss": generator_losses,
        "state": {"generator": record.checksums(G), "critic": record.checksums(D)},
        "probe": record.summary(record.probe(G, record.probe_input(LATENT))),
    }


def main():
    torch.set_num_threads(2)
    shape, batch, iterations = (3, 32, 32), 2, 8  # later ones differ between machines even in float64
    record.write(__file__, "wgangp_3x32x32.json", {
        "model": "wgangp", "shape": shape, "batch": batch, "iterations": iterations, "dim": DIM, "torch": torch.__version__,
        "float32": train(shape, batch, iterations, torch.float32),
        "float64": train(shape, batch, iterations, torch.float64),
    })


if __name__ == "__main__":
    main()
