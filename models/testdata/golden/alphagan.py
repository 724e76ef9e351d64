"""Golden values of alphagan: Rosca et al. 2017. Usage: /usr/bin/python3 -B alphagan.py"""

import torch
from torch import nn
from torch.nn.functional import l1_loss

import dcgan
import fill
import record
from dcgan import bce

LAMBDA = 10.0
GENERATOR_STEPS = 2
ENCODER_LEARNING_RATE = 1e-4
LEARNING_RATE = 2e-4
BETAS = (0.5, 0.9)

# Latent dimension of each golden file.
RUNS = {(1, 28, 28): 10, (3, 32, 32): 128}


def encoder(channels, height, width, latent):
    """The convs of dcgan's discriminator, with batch norm behind all but the first."""
    factor, _, convs = dcgan.widths(height, width)
    layers, before = [], channels
    for i, after in enumerate(convs):
        layers += [nn.Conv2d(before, after, 5, 2, 2), *([nn.BatchNorm2d(after)] if i > 0 else []), nn.LeakyReLU(0.2)]
        before = after
    layers += [nn.Flatten(), nn.Linear(before * (height // factor) * (width // factor), latent)]
    return nn.Sequential(*layers)


generator = dcgan.generator
discriminator = dcgan.discriminator


def code_discriminator(latent):
    return nn.Sequential(
        nn.Linear(latent, 750), nn.LeakyReLU(0.2),
        nn.Linear(750, 750), nn.LeakyReLU(0.2),
        nn.Linear(750, 1),
    )


def step(optimiser, loss):
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return record.nine(loss.item())


def train(shape, batch, iterations, dtype):
    """Trains from the formula's weights, on its images and noise; returns what the golden file keeps."""
    latent = RUNS[shape]
    networks = {
        "encoder": encoder(*shape, latent),
        "generator": generator(*shape, latent),
        "discriminator": discriminator(*shape),
        "code_discriminator": code_discriminator(latent),
    }
    optimisers = {}
    for name, network in networks.items():
        network.to(dtype)
        fill.fill_network(name, network)
        rate = ENCODER_LEARNING_RATE if name == "encoder" else LEARNING_RATE
        optimisers[name] = torch.optim.Adam(network.parameters(), lr=rate, betas=BETAS)
    E, G, D, C = networks.values()
    draws = fill.Draws(batch, shape, dtype)
    losses = {name: [] for name in networks}

    for _ in range(iterations):
        x, z = draws.images(), draws.normal((batch, latent))  # serve every phase

        codes = E(x)
        loss = LAMBDA * l1_loss(G(codes), x) + bce(C(codes), 1.0)
        losses["encoder"].append(step(optimisers["encoder"], loss))

        with torch.no_grad():
            codes = E(x)  # of the E just updated, for the rest of the iteration
        generator_losses = []
        for _ in range(GENERATOR_STEPS):
            reconstruction, generated = G(codes), G(z)
            loss = LAMBDA * l1_loss(reconstruction, x) + bce(D(reconstruction), 1.0) + bce(D(generated), 1.0)
            generator_losses.append(step(optimisers["generator"], loss))
        losses["generator"].append(generator_losses)

        with torch.no_grad():  # in train mode, as all else: the running statistics move
            reconstruction, generated = G(codes), G(z)
        loss = bce(D(x), 1.0) + bce(D(reconstruction), 0.0) + bce(D(generated), 0.0)
        losses["discriminator"].append(step(optimisers["discriminator"], loss))

        loss = bce(C(z), 1.0) + bce(C(codes), 0.0)
        losses["code_discriminator"].append(step(optimisers["code_discriminator"], loss))

    return {
        **{f"{name}_loss": values for name, values in losses.items()},
        "state": {name: record.checksums(network) for name, network in networks.items()},
        "probe": record.summary(record.probe(G, record.probe_input(latent))),
    }


def main():
    torch.set_num_threads(2)
    batch, iterations = 16, 4  # later ones differ between machines even in float64
    for shape, latent in RUNS.items():
        record.write(__file__, "alphagan_{}x{}x{}.json".format(*shape), {
            "model": "alphagan", "shape": shape, "batch": batch, "iterations": iterations, "latent": latent,
            "torch": torch.__version__,
            "float32": train(shape, batch, iterations, torch.float32),
            "float64": train(shape, batch, iterations, torch.float64),
        })


if __name__ == "__main__":
    main()
