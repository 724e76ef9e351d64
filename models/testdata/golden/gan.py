"""Golden values of gan: Goodfellow et al. 2014. Usage: /usr/bin/python3 -B gan.py"""

import torch
from torch import nn

import fill
import record
from dcgan import BETAS, LATENT, LEARNING_RATE, bce


def generator(channels, height, width, latent=LATENT):
    """Its images are in [0, 1]."""
    layers, before = [], latent
    for after in 128, 256, 512:
        layers += [nn.Linear(before, after), nn.LeakyReLU(0.2)]
        before = after
    layers += [nn.Linear(before, channels * height * width), nn.Sigmoid(), nn.Unflatten(1, (channels, height, width))]
    return nn.Sequential(*layers)


def discriminator(channels, height, width):
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(channels * height * width, 512), nn.LeakyReLU(0.2),
        nn.Linear(512, 256), nn.LeakyReLU(0.2),
        nn.Linear(256, 1),
    )


def train(shape, batch, iterations, dtype):
    """Trains from the formula's weights, on its images and noise; returns what the golden file keeps."""
    G, D = generator(*shape).to(dtype), discriminator(*shape).to(dtype)
    fill.fill_network("generator", G)
    fill.fill_network("discriminator", D)
    G_optimiser = torch.optim.Adam(G.parameters(), lr=LEARNING_RATE, betas=BETAS)
    D_optimiser = torch.optim.Adam(D.parameters(), lr=LEARNING_RATE, betas=BETAS)
    draws = fill.Draws(batch, shape, dtype)
    D_losses, G_losses = [], []

    for _ in range(iterations):
        x = (draws.images() + 1) / 2  # D sees [0, 1], as G makes it
        generated = G(draws.uniform(-1, 1, (batch, LATENT)))  # once an iteration: serves D, then G

        loss = bce(D(x), 1.0) + bce(D(generated.detach()), 0.0)
        D_optimiser.zero_grad()
        loss.backward()
        D_optimiser.step()
        D_losses.append(record.nine(loss.item()))

        loss = bce(D(generated), 1.0)  # the same images through the D just updated
        G_optimiser.zero_grad()
        loss.backward()
        G_optimiser.step()
        G_losses.append(record.nine(loss.item()))

    return {
        "discriminator_loss": D_losses,
        "generator_loss": G_losses,
        "state": {"generator": record.checksums(G), "discriminator": record.checksums(D)},
        "probe": record.summary(record.probe(G, record.probe_input(LATENT))),
    }


def main():
    torch.set_num_threads(2)
    batch, iterations = 16, 20
    for shape in (3, 32, 32), (1, 28, 28):
        record.write(__file__, "gan_{}x{}x{}.json".format(*shape), {
            "model": "gan", "shape": shape, "batch": batch, "iterations": iterations, "torch": torch.__version__,
            "float32": train(shape, batch, iterations, torch.float32),
            "float64": train(shape, batch, iterations, torch.float64),
        })


if __name__ == "__main__":
    main()
