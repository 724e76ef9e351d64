"""The peer of imori's dcgan in `make bench`: ordinary eager PyTorch on 3x32x32 images, batch 64.

One iteration is one discriminator and one generator update; both use the same generated batch.
"""

import torch
from torch import nn

import peer


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(peer.LATENT, 2 * 2 * 256)
        self.main = nn.Sequential(
            nn.BatchNorm2d(256),
            nn.ReLU(),
            nn.ConvTranspose2d(256, 512, 5, 2, 2, output_padding=1),
            nn.BatchNorm2d(512),
            nn.ReLU(),
            nn.ConvTranspose2d(512, 256, 5, 2, 2, output_padding=1),
            nn.BatchNorm2d(256),
            nn.ReLU(),
            nn.ConvTranspose2d(256, 128, 5, 2, 2, output_padding=1),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.ConvTranspose2d(128, 3, 5, 2, 2, output_padding=1),
            nn.Tanh(),
        )

    def forward(self, z):
        return self.main(self.linear(z).view(-1, 256, 2, 2))


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(3, 32, 5, 2, 2),
            nn.LeakyReLU(0.2),
            nn.Conv2d(32, 64, 5, 2, 2),
            nn.LeakyReLU(0.2),
            nn.Conv2d(64, 128, 5, 2, 2),
            nn.LeakyReLU(0.2),
            nn.Conv2d(128, 256, 5, 2, 2),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(256 * 2 * 2, 1),
        )

    def forward(self, x):
        return self.main(x).view(-1)


def initialise(module):
    if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def main():
    options = peer.arguments(__doc__)
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)

    images = peer.images(10_000, 3, 32)
    generator, discriminator = Generator().apply(initialise), Discriminator().apply(initialise)
    generator_optimizer = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    discriminator_optimizer = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    bce = nn.BCEWithLogitsLoss()
    ones, zeros = torch.ones(peer.BATCH), torch.zeros(peer.BATCH)

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
    peer.measure("dcgan", options, iteration, networks)


if __name__ == "__main__":
    main()
