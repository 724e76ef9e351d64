"""Golden values of wgan: Wasserstein GAN, Arjovsky et al. 2017. Usage: /usr/bin/python3 -B wgan.py"""

import torch
from torch import nn

import fill
import record

LATENT = 100
CRITIC_STEPS = 5
CLIP = 0.01
LEARNING_RATE = 5e-5


def generator(channels, height, width, latent=LATENT):
    h, w = height // 16, width // 16
    layers = [nn.Linear(latent, 512 * h * w, bias=False), nn.Unflatten(1, (512, h, w)), nn.BatchNorm2d(512), nn.LeakyReLU(0.01)]
    for before, after in (512, 256), (256, 128), (128, 64):
        layers += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(0.01)]
    layers += [nn.ConvTranspose2d(64, channels, 4, 2, 1), nn.Tanh()]
    return nn.Sequential(*layers)


def critic(channels, height, width):
    layers = [nn.Conv2d(channels, 64, 4, 2, 1), nn.LeakyReLU(0.01)]
    for before, after in (64, 128), (128, 256):
        layers += [nn.Conv2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(0.01)]
    layers += [nn.Conv2d(256, 1, (height // 8, width // 8)), nn.Flatten(0)]
    return nn.Sequential(*layers)


def train(shape, batch, iterations, dtype):
    """Trains from the formula's weights, on its images and noise; returns what the golden file keeps."""
    G, D = generator(*shape).to(dtype), critic(*shape).to(dtype)
    fill.fill_network("generator", G)
    fill.fill_network("critic", D)
    G_optimiser = torch.optim.RMSprop(G.parameters(), lr=LEARNING_RATE)
    D_optimiser = torch.optim.RMSprop(D.parameters(), lr=LEARNING_RATE)
    draws = fill.Draws(batch, shape, dtype)
    critic_losses, wasserstein, generator_losses = [], [], []

    for _ in range(iterations):
        losses, estimates = [], []
        for _ in range(CRITIC_STEPS):
            x = draws.images()
            with torch.no_grad():  # in train mode: batch statistics are used and the running ones move
                generated = G(draws.uniform(-1, 1, (batch, LATENT)))
            on_real = D(x).mean()  # real images first: D's running statistics depend on the order
            on_generated = D(generated).mean()
            loss = on_generated - on_real
            D_optimiser.zero_grad()
            loss.backward()
            D_optimiser.step()
            with torch.no_grad():
                for p in D.parameters():
                    p.clamp_(-CLIP, CLIP)
            losses.append(record.nine(loss.item()))
            estimates.append(record.nine((on_real - on_generated).item()))
        critic_losses.append(losses)
        wasserstein.append(estimates)

        loss = -D(G(draws.uniform(-1, 1, (batch, LATENT)))).mean()
        G_optimiser.zero_grad()
        loss.backward()
        G_optimiser.step()
        generator_losses.append(record.nine(loss.item()))

    return {
        "critic_loss": critic_losses,
        "wasserstein": wasserstein,
        "generator_loss": generator_losses,
        "state": {"generator": record.checksums(G), "critic": record.checksums(D)},
        "probe": record.summary(record.probe(G, record.probe_input(LATENT))),
    }


def main():
    torch.set_num_threads(2)
    shape, batch, iterations = (3, 32, 32), 16, 20
    record.write(__file__, "wgan_3x32x32.json", {
        "model": "wgan", "shape": shape, "batch": batch, "iterations": iterations, "torch": torch.__version__,
        "float32": train(shape, batch, iterations, torch.float32),
        "float64": train(shape, batch, iterations, torch.float64),
    })


if __name__ == "__main__":
    main()
