"""The peer of imori's convae in `make bench`: ordinary eager PyTorch on 3x32x32 images, batch 64.

One iteration is one update of encoder and decoder.
"""

import torch
from torch import nn

import peer


def main():
    options = peer.arguments(__doc__)
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)

    images = peer.images(10_000, 3, 32)
    autoencoder = nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.ConvTranspose2d(16, 32, 2, stride=2),
        nn.ReLU(),
        nn.ConvTranspose2d(32, 3, 2, stride=2),
        nn.Tanh(),
    )
    optimizer = torch.optim.Adam(autoencoder.parameters(), lr=1e-3)
    mse = nn.MSELoss()

    def iteration():
        x = peer.minibatch(images)
        loss = mse(autoencoder(x), x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    peer.measure("convae", options, iteration, {"autoencoder": autoencoder})


if __name__ == "__main__":
    main()
