"""The peer of imori's wgan in `make bench`: ordinary eager PyTorch on 3x32x32 images, batch 64.

One iteration is five critic updates, each on a minibatch of its own, and one generator update.
"""

import torch
from torch import nn

import peer


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(peer.LATENT, 2 * 2 * 512, bias=False)
        self.main = nn.Sequential(
            nn.BatchNorm2d(512),
            nn.LeakyReLU(0.01),
            nn.ConvTranspose2d(512, 256, 4, 2, 1, bias=False),
            nn.BatchNorm2d(256),
            nn.LeakyReLU(0.01),
            nn.ConvTranspose2d(256, 128, 4, 2, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.LeakyReLU(0.01),
            nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False),
            nn.BatchNorm2d(64),
            nn.LeakyReLU(0.01),
            nn.ConvTranspose2d(64, 3, 4, 2, 1),
            nn.Tanh(),
        )

    def forward(self, z):
        return self.main(self.linear(z).view(-1, 512, 2, 2))


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(3, 64, 4, 2, 1),
            nn.LeakyReLU(0.01),
            nn.Conv2d(64, 128, 4, 2, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.LeakyReLU(0.01),
            nn.Conv2d(128, 256, 4, 2, 1, bias=False),
            nn.BatchNorm2d(256),
            nn.LeakyReLU(0.01),
            nn.Conv2d(256, 1, 4),
        )

    def forward(self, x):
        return self.main(x).view(-1)


def main():
    options = peer.arguments(__doc__)
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)

    images = peer.images(10_000, 3, 32)
    generator, critic = Generator(), Critic()
    generator_optimizer = torch.optim.RMSprop(generator.parameters(), lr=5e-5)
    critic_optimizer = torch.optim.RMSprop(critic.parameters(), lr=5e-5)

    def iteration():
        for _ in range(5):
            real = peer.minibatch(images)
            fake = generator(peer.noise()).detach()
            critic_loss = critic(fake).mean() - critic(real).mean()
            critic_optimizer.zero_grad()
            critic_loss.backward()
            critic_optimizer.step()
            for p in critic.parameters():
                p.data.clamp_(-0.01, 0.01)

        generator_loss = -critic(generator(peer.noise())).mean()
        generator_optimizer.zero_grad()
        generator_loss.backward()
        generator_optimizer.step()

    networks = {"generator": generator, "critic": critic}
    peer.measure("wgan", options, iteration, networks, minibatches=5)


if __name__ == "__main__":
    main()
