"""The peer of imori's vae in `make bench`: ordinary eager PyTorch on 1x28x28 images in [0, 1], batch 64.

One iteration is one update of encoder and decoder: binary cross-entropy plus KL divergence.
"""

import torch
from torch import nn
from torch.nn import functional

import peer

PIXELS = 28 * 28
WIDTHS = [512, 256, 128, 64]
LATENT = 2


def perceptron(*widths):
    layers = []
    for width, following in zip(widths, widths[1:]):
        layers += [nn.Linear(width, following), nn.ReLU()]
    return layers


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Flatten(), *perceptron(PIXELS, *WIDTHS))
        self.mu = nn.Linear(WIDTHS[-1], LATENT)
        self.logvar = nn.Linear(WIDTHS[-1], LATENT)
        self.decoder = nn.Sequential(
            *perceptron(LATENT, *reversed(WIDTHS)), nn.Linear(WIDTHS[0], PIXELS), nn.Sigmoid()
        )

    def forward(self, x):
        h = self.encoder(x)
        mu, logvar = self.mu(h), self.logvar(h)
        z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
        return self.decoder(z), mu, logvar


def main():
    options = peer.arguments(__doc__)
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)

    images = peer.images(10_000, 1, 28).add_(1).div_(2)
    vae = VAE()
    optimizer = torch.optim.Adam(vae.parameters(), lr=1e-3)

    def iteration():
        x = peer.minibatch(images)
        reconstruction, mu, logvar = vae(x)
        error = functional.binary_cross_entropy(reconstruction, x.view(-1, PIXELS), reduction="sum")
        divergence = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
        loss = (error + divergence) / peer.BATCH
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    peer.measure("vae", options, iteration, {"vae": vae})


if __name__ == "__main__":
    main()
