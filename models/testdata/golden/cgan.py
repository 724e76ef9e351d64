"""Golden values of cgan: Mirza & Osindero 2014, on dcgan's networks. Usage: /usr/bin/python3 -B cgan.py"""

import torch
from torch.nn.functional import one_hot

import dcgan
import fill
import record
from dcgan import BETAS, LATENT, LEARNING_RATE, bce

CLASSES = 10


def generator(channels, height, width, latent=LATENT, classes=CLASSES):
    """Takes latents with the one-hot class appended."""
    return dcgan.generator(channels, height, width, latent + classes)


def discriminator(channels, height, width, classes=CLASSES):
    """Takes images with one plane a class appended."""
    return dcgan.discriminator(channels + classes, height, width)


def with_class(x, labels, classes=CLASSES):
    """Appends to latents a one-hot vector, to images one-hot planes: 1 where the class is, 0 elsewhere."""
    hot = one_hot(labels, classes).to(x.dtype)
    if x.dim() == 4:
        hot = hot[:, :, None, None].expand(-1, -1, *x.shape[2:])
    return torch.cat([x, hot], 1)


def probe_input(*sample_shape, classes=CLASSES):
    """The formula's latents or images; row i is of class i mod classes."""
    x = record.probe_input(*sample_shape)
    return with_class(x, torch.arange(len(x)) % classes, classes)


def train(shape, batch, iterations, dtype):
    """Trains from the formula's weights, on its images, labels and noise; returns what the golden file keeps."""
    G, D = generator(*shape).to(dtype), discriminator(*shape).to(dtype)
    fill.fill_network("generator", G)
    fill.fill_network("discriminator", D)
    G_optimiser = torch.optim.Adam(G.parameters(), lr=LEARNING_RATE, betas=BETAS)
    D_optimiser = torch.optim.Adam(D.parameters(), lr=LEARNING_RATE, betas=BETAS)
    draws = fill.Draws(batch, shape, dtype)
    D_losses, G_losses = [], []

    for _ in range(iterations):
        x, labels = draws.images(), draws.labels(CLASSES)
        z = draws.uniform(-1, 1, (batch, LATENT))
        generated = G(with_class(z, labels))  # once an iteration, of the batch's classes: serves D, then G

        loss = bce(D(with_class(x, labels)), 1.0) + bce(D(with_class(generated.detach(), labels)), 0.0)
        D_optimiser.zero_grad()
        loss.backward()
        D_optimiser.step()
        D_losses.append(record.nine(loss.item()))

        loss = bce(D(with_class(generated, labels)), 1.0)  # the same images through the D just updated
        G_optimiser.zero_grad()
        loss.backward()
        G_optimiser.step()
        G_losses.append(record.nine(loss.item()))

    return {
        "discriminator_loss": D_losses,
        "generator_loss": G_losses,
        "state": {"generator": record.checksums(G), "discriminator": record.checksums(D)},
        "probe": record.summary(record.probe(G, probe_input(LATENT))),
    }


def main():
    torch.set_num_threads(2)
    batch, iterations = 16, 20
    for shape in (3, 32, 32), (1, 28, 28):
        record.write(__file__, "cgan_{}x{}x{}.json".format(*shape), {
            "model": "cgan", "shape": shape, "batch": batch, "iterations": iterations, "classes": CLASSES,
            "torch": torch.__version__,
            "float32": train(shape, batch, iterations, torch.float32),
            "float64": train(shape, batch, iterations, torch.float64),
        })


if __name__ == "__main__":
    main()
