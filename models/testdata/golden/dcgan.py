"""Golden values of dcgan: Radford et al. 2015. Usage: /usr/bin/python3 -B dcgan.py"""

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

import fill
import record

LATENT = 100
LEARNING_RATE = 2e-4
BETAS = (0.5, 0.999)


def widths(height, width):
    """Factor between the generator's first map and the image, the generator's hidden tconvs, the discriminator's convs."""
    if height % 16 == 0 and width % 16 == 0:
        return 16, [512, 256, 128], [32, 64, 128, 256]
    return 4, [128], [64, 128]


def generator(channels, height, width, latent=LATENT):
    factor, hidden, _ = widths(height, width)
    h, w = height // factor, width // factor
    layers = [nn.Linear(latent, 256 * h * w), nn.Unflatten(1, (256, h, w)), nn.BatchNorm2d(256), nn.ReLU()]
    before = 256
    for after in hidden:
        layers += [nn.ConvTranspose2d(before, after, 5, 2, 2, output_padding=1), nn.BatchNorm2d(after), nn.ReLU()]
        before = after
    layers += [nn.ConvTranspose2d(before, channels, 5, 2, 2, output_padding=1), nn.Tanh()]
    return nn.Sequential(*layers)


def discriminator(channels, height, width):
    factor, _, convs = widths(height, width)
    layers, before = [], channels
    for after in convs:
        layers += [nn.Conv2d(before, after, 5, 2, 2), nn.LeakyReLU(0.2)]
        before = after
    layers += [nn.Flatten(), nn.Linear(before * (height // factor) * (width // factor), 1)]
    return nn.Sequential(*layers)


def bce(logits, label):
    return binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))


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
        x = draws.images()
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
        record.write(__file__, "dcgan_{}x{}x{}.json".format(*shape), {
            "model": "dcgan", "shape": shape, "batch": batch, "iterations": iterations, "torch": torch.__version__,
            "float32": train(shape, batch, iterations, torch.float32),
            "float64": train(shape, batch, iterations, torch.float64),
        })


if __name__ == "__main__":
    main()
