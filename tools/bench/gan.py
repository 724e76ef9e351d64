"""The peer of imori's gan in `make bench`: ordinary eager PyTorch on 3x32x32 images in [0, 1], batch 64.

One iteration is one discriminator and one generator update; both use the same generated batch.
"""

import torch
from torch import nn

import peer

PIXELS = 3 * 32 * 32


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.Linear(peer.LATENT, 128),
            nn.LeakyReLU(0.2),
            nn.Linear(128, 256),
            nn.LeakyReLU(0.2),
            nn.Linear(256, 512),
            nn.LeakyReLU(0.2),
            nn.Linear(512, PIXELS),
            nn.Sigmoid(),
        )

    def forward(self, z):
        return self.main(z).view(-1, 3, 32, 32)


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.Flatten(),
            nn.Linear(PIXELS, 512),
            nn.LeakyReLU(0.2),
            nn.Linear(512, 256),
            nn.LeakyReLU(0.2),
            nn.Linear(256, 1),
        )

    def forward(self, x):
        return self.main(x)


def main():
    options = peer.arguments(__doc__)
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)

    images = peer.images(10_000, 3, 32).add_(1).div_(2)
    generator, discriminator = Generator(), Discriminator()
    generator_optimizer = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    discriminator_optimizer = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    bce = nn.BCEWithLogitsLoss()
    ones, zeros = torch.ones(peer.BATCH, 1), torch.zeros(peer.BATCH, 1)

    def iteration():
        real = peer.minibatch(images)
        fake = generator(peer.noise())

        discriminator_loss = bce(discriminator(real), ones) + bce(discriminator(fake.detach()), zeros)
        discriminator_optimizer.zero_grad()
        discriminator_loss.backward()
        discriminator_optimizer.step()

        generator_loss = bce(discriminator(fake), ones)
        generator_optimizer.zero_grad()
        generator_loss.backward()
        generator_optimizer.step()

    networks = {"generator": generator, "discriminator": discriminator}
    peer.measure("gan", options, iteration, networks)


if __name__ == "__main__":
    main()
