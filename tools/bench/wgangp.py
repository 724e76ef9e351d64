"""The peer of imori's wgangp in `make bench`: ordinary eager PyTorch on 3x32x32 images, batch 64, networks 32 wide.

One iteration is five critic updates with a gradient penalty, each on a minibatch of its own, and one generator update.
"""

import torch
from torch import nn

import peer

DIM = 32
LATENT = 128


class Residual(nn.Module):
    def __init__(self, main, shortcut=None):
        super().__init__()
        self.main = nn.Sequential(*main)
        self.shortcut = nn.Identity() if shortcut is None else nn.Sequential(*shortcut)

    def forward(self, x):
        return self.main(x) + self.shortcut(x)


def conv(channels_in, channels_out, kernel=3):
    return nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2)


def up_block():
    return Residual(
        [nn.BatchNorm2d(DIM), nn.ReLU(), nn.Upsample(scale_factor=2), conv(DIM, DIM),
         nn.BatchNorm2d(DIM), nn.ReLU(), conv(DIM, DIM)],
        [nn.Upsample(scale_factor=2), conv(DIM, DIM, 1)],
    )


def critic_layers():
    return [nn.GroupNorm(1, DIM), nn.ReLU(), conv(DIM, DIM), nn.GroupNorm(1, DIM), nn.ReLU(), conv(DIM, DIM)]


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(LATENT, DIM * 4 * 4)
        self.main = nn.Sequential(
            up_block(), up_block(), up_block(), nn.BatchNorm2d(DIM), nn.ReLU(), conv(DIM, 3), nn.Tanh()
        )

    def forward(self, z):
        return self.main(self.linear(z).view(-1, DIM, 4, 4))


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            Residual(
                [conv(3, DIM), nn.GroupNorm(1, DIM), nn.ReLU(), conv(DIM, DIM), nn.AvgPool2d(2)],
                [nn.AvgPool2d(2), conv(3, DIM, 1)],
            ),
            Residual(critic_layers() + [nn.AvgPool2d(2)], [nn.AvgPool2d(2), conv(DIM, DIM, 1)]),
            Residual(critic_layers()),
            Residual(critic_layers()),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(DIM, 1),
        )

    def forward(self, x):
        return self.main(x)


def gradient_penalty(critic, real, fake):
    eps = torch.rand(len(real), 1, 1, 1)
    between = (eps * real + (1 - eps) * fake).requires_grad_(True)
    score = critic(between)
    gradient = torch.autograd.grad(score, between, grad_outputs=torch.ones_like(score), create_graph=True)[0]
    return ((gradient.flatten(1).norm(2, dim=1) - 1) ** 2).mean()


def main():
    options = peer.arguments(__doc__)
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)

    images = peer.images(10_000, 3, 32)
    generator, critic = Generator(), Critic()
    generator_optimizer = torch.optim.Adam(generator.parameters(), lr=1e-4, betas=(0, 0.9))
    critic_optimizer = torch.optim.Adam(critic.parameters(), lr=1e-4, betas=(0, 0.9))

    def noise():
        return torch.randn(peer.BATCH, LATENT)

    def iteration():
        for _ in range(5):
            real = peer.minibatch(images)
            fake = generator(noise()).detach()
            critic_loss = critic(fake).mean() - critic(real).mean() + 10 * gradient_penalty(critic, real, fake)
            critic_optimizer.zero_grad()
            critic_loss.backward()
            critic_optimizer.step()

        generator_loss = -critic(generator(noise())).mean()
        generator_optimizer.zero_grad()
        generator_loss.backward()
        generator_optimizer.step()

    networks = {"generator": generator, "critic": critic}
    peer.measure("wgangp", options, iteration, networks, minibatches=5)


if __name__ == "__main__":
    main()
