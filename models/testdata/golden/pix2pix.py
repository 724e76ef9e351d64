"""Golden values of pix2pix: Isola et al. 2016. Usage: /usr/bin/python3 -B pix2pix.py"""

import torch
from torch import nn
from torch.nn.functional import interpolate, l1_loss, max_pool2d

import fill
import record
from dcgan import BETAS, LEARNING_RATE, bce

LAMBDA = 100.0
DROPOUT = 0.0  # the default is 0.5: a golden run draws no masks


def block(before, after):
    layers = []
    for n in before, after:
        layers += [nn.Conv2d(n, after, 3, 1, 1), nn.ReLU(), nn.BatchNorm2d(after)]
    return layers


class UNet(nn.Module):
    """Module 6 of the first two blocks of up is the dropout; the tanh behind output is no child."""

    def __init__(self, channels, target_channels):
        super().__init__()
        down = [(channels, 32), (32, 64), (64, 128), (128, 256), (256, 512), (512, 512)]
        up = [(512 + 512, 512), (512 + 256, 256), (256 + 128, 128), (128 + 64, 64), (64 + 32, 32)]
        self.down = nn.ModuleList(nn.Sequential(*block(*sizes)) for sizes in down)
        self.up = nn.ModuleList(
            nn.Sequential(*block(*sizes), *([nn.Dropout(DROPOUT)] if i < 2 else [])) for i, sizes in enumerate(up)
        )
        self.output = nn.Conv2d(32, target_channels, 3, 1, 1)

    def forward(self, x):
        skips = []
        for i, down in enumerate(self.down):
            x = down(x if i == 0 else max_pool2d(x, 2))
            skips.append(x)
        skips.pop()  # the last is the bottom of the U, not a skip
        for up in self.up:
            x = up(torch.cat([interpolate(x, scale_factor=2, mode="nearest"), skips.pop()], 1))
        return torch.tanh(self.output(x))


def generator(channels, height, width, target_channels=3):
    """The sizes are the input's own: height and width only have to divide by 32."""
    return UNet(channels, target_channels)


def discriminator(channels, height, width, target_channels=3):
    """Takes input and output concatenated on channels; returns a map of logits."""
    layers, before = [], channels + target_channels
    for after in 32, 64, 128, 256:
        layers += [nn.Conv2d(before, after, 5, 2, 2), nn.LeakyReLU(0.2)]
        before = after
    return nn.Sequential(*layers, nn.Conv2d(before, 1, 3, 1, 1))


def train(shape, batch, iterations, dtype):
    """Trains from the formula's weights, on its images and targets; returns what the golden file keeps."""
    G, D = generator(*shape).to(dtype), discriminator(*shape).to(dtype)
    fill.fill_network("generator", G)
    fill.fill_network("discriminator", D)
    G_optimiser = torch.optim.Adam(G.parameters(), lr=LEARNING_RATE, betas=BETAS)
    D_optimiser = torch.optim.Adam(D.parameters(), lr=LEARNING_RATE, betas=BETAS)
    draws = fill.Draws(batch, shape, dtype)
    D_losses, G_losses, l1s = [], [], []

    for _ in range(iterations):
        x, target = draws.images(), draws.targets(3)
        generated = G(x)  # once an iteration: serves D, then G

        loss = bce(D(torch.cat([x, target], 1)), 1.0) + bce(D(torch.cat([x, generated.detach()], 1)), 0.0)
        D_optimiser.zero_grad()
        loss.backward()
        D_optimiser.step()
        D_losses.append(record.nine(loss.item()))

        l1 = l1_loss(generated, target)
        loss = bce(D(torch.cat([x, generated], 1)), 1.0) + LAMBDA * l1  # the same images through the D just updated
        G_optimiser.zero_grad()
        loss.backward()
        G_optimiser.step()
        G_losses.append(record.nine(loss.item()))
        l1s.append(record.nine(l1.item()))

    return {
        "discriminator_loss": D_losses,
        "generator_loss": G_losses,
        "l1": l1s,
        "state": {"generator": record.checksums(G), "discriminator": record.checksums(D)},
        "probe": record.summary(record.probe(G, record.probe_input(*shape))),
    }


def main():
    torch.set_num_threads(2)
    shape, batch, iterations = (3, 64, 64), 2, 5  # later ones differ between machines even in float64
    record.write(__file__, "pix2pix_3x64x64.json", {
        "model": "pix2pix", "shape": shape, "batch": batch, "iterations": iterations, "target_channels": 3,
        "torch": torch.__version__,
        "float32": train(shape, batch, iterations, torch.float32),
        "float64": train(shape, batch, iterations, torch.float64),
    })


if __name__ == "__main__":
    main()
