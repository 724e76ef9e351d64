"""Golden values of convae: a convolutional autoencoder. Usage: /usr/bin/python3 -B convae.py"""

import torch
from torch import nn

import ae
import record


def autoencoder(channels, height, width):
    """The sizes are the input's own: height and width only have to divide by 4."""
    return ae.Autoencoder(
        nn.Sequential(
            nn.Conv2d(channels, 32, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 16, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2),
        ),
        nn.Sequential(
            nn.ConvTranspose2d(16, 32, 2, 2), nn.ReLU(),
            nn.ConvTranspose2d(32, channels, 2, 2), nn.Tanh(),
        ),
    )


def train(shape, batch, iterations, dtype):
    """Loss and optimiser are those of ae."""
    return ae.train(shape, batch, iterations, dtype, autoencoder)


def main():
    torch.set_num_threads(2)
    shape, batch, iterations = (3, 32, 32), 16, 20
    record.write(__file__, "convae_3x32x32.json", {
        "model": "convae", "shape": shape, "batch": batch, "iterations": iterations, "torch": torch.__version__,
        "float32": train(shape, batch, iterations, torch.float32),
        "float64": train(shape, batch, iterations, torch.float64),
    })


if __name__ == "__main__":
    main()
