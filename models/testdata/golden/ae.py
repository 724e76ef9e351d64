"""Golden values of ae: an autoencoder of one hidden layer. Usage: /usr/bin/python3 -B ae.py"""

import torch
from torch import nn
from torch.nn.functional import mse_loss

import fill
import record

HIDDEN = 64
LEARNING_RATE = 1e-3


class Autoencoder(nn.Module):
    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, x):
        return self.decoder(self.encoder(x))


def autoencoder(channels, height, width):
    pixels = channels * height * width
    return Autoencoder(
        nn.Sequential(nn.Flatten(), nn.Linear(pixels, HIDDEN), nn.ReLU()),
        nn.Sequential(nn.Linear(HIDDEN, pixels), nn.Unflatten(1, (channels, height, width))),
    )


def train(shape, batch, iterations, dtype, make=autoencoder):
    """Trains from the formula's weights, on its images; returns what the golden file keeps."""
    network = make(*shape).to(dtype)
    fill.fill_network("autoencoder", network)
    optimiser = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    draws = fill.Draws(batch, shape, dtype)
    losses = []

    for _ in range(iterations):
        x = draws.images()
        loss = mse_loss(network(x), x)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(record.nine(loss.item()))

    return {
        "autoencoder_loss": losses,
        "state": {"autoencoder": record.checksums(network)},
        "probe": record.summary(record.probe(network, record.probe_input(*shape))),
    }


def main():
    torch.set_num_threads(2)
    shape, batch, iterations = (3, 32, 32), 16, 20
    record.write(__file__, "ae_3x32x32.json", {
        "model": "ae", "shape": shape, "batch": batch, "iterations": iterations, "torch": torch.__version__,
        "float32": train(shape, batch, iterations, torch.float32),
        "float64": train(shape, batch, iterations, torch.float64),
    })


if __name__ == "__main__":
    main()
