"""The peer of imori's pix2pix in `make bench`: ordinary eager PyTorch on pairs of 3x64x64 images, batch 8.

One iteration is one discriminator and one generator update; both use the same generated batch. The discriminator takes
no gradients in the generator's update, as is customary for this model.
"""

import torch
from torch import nn

import peer

BATCH = 8
WIDTHS = [32, 64, 128, 256, 512, 512]


def block(channels_in, channels_out):
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1),
        nn.ReLU(),
        nn.BatchNorm2d(channels_out),
        nn.Conv2d(channels_out, channels_out, 3, padding=1),
        nn.ReLU(),
        nn.BatchNorm2d(channels_out),
    )


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.ModuleList(block(a, b) for a, b in zip([3] + WIDTHS, WIDTHS))
        below = WIDTHS[::-1]
        self.up = nn.ModuleList(block(a + b, b) for a, b in zip(below, below[1:]))
        for i in range(2):
            self.up[i].append(nn.Dropout(0.5))
        self.pool = nn.MaxPool2d(2)
        self.upsample = nn.Upsample(scale_factor=2)
        self.output = nn.Conv2d(WIDTHS[0], 3, 3, padding=1)

    def forward(self, x):
        skips = []
        for i, down in enumerate(self.down):
            x = down(x if i == 0 else self.pool(x))
            skips.append(x)
        skips.pop()
        for up in self.up:
            x = up(torch.cat([self.upsample(x), skips.pop()], 1))
        return torch.tanh(self.output(x))


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(6, 32, 5, 2, 2),
            nn.LeakyReLU(0.2),
            nn.Conv2d(32, 64, 5, 2, 2),
            nn.LeakyReLU(0.2),
            nn.Conv2d(64, 128, 5, 2, 2),
            nn.LeakyReLU(0.2),
            nn.Conv2d(128, 256, 5, 2, 2),
            nn.LeakyReLU(0.2),
            nn.Conv2d(256, 1, 3, padding=1),
        )

    def forward(self, given, shown):
        return self.main(torch.cat([given, shown], 1))


def main():
    options = peer.arguments(__doc__)
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)

    inputs, targets = peer.images(1_000, 3, 64), peer.images(1_000, 3, 64)
    generator, discriminator = UNet(), Discriminator()
    generator_optimizer = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    discriminator_optimizer = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    bce, l1 = nn.BCEWithLogitsLoss(), nn.L1Loss()
    ones, zeros = torch.ones(BATCH, 1, 4, 4), torch.zeros(BATCH, 1, 4, 4)

    def iteration():
        chosen = torch.randint(0, len(inputs), (BATCH,))
        given, wanted = inputs[chosen], targets[chosen]
        fake = generator(given)

        discriminator.requires_grad_(True)
        on_real, on_fake = discriminator(given, wanted), discriminator(given, fake.detach())
        discriminator_loss = bce(on_real, ones) + bce(on_fake, zeros)
        discriminator_optimizer.zero_grad()
        discriminator_loss.backward()
        discriminator_optimizer.step()

        discriminator.requires_grad_(False)
        generator_loss = bce(discriminator(given, fake), ones) + 100 * l1(fake, wanted)
        generator_optimizer.zero_grad()
        generator_loss.backward()
        generator_optimizer.step()

    networks = {"generator": generator, "discriminator": discriminator.requires_grad_(True)}
    peer.measure("pix2pix", options, iteration, networks, batch=BATCH)


if __name__ == "__main__":
    main()
