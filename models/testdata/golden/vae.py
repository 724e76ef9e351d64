"""Golden values of vae: variational autoencoder, Kingma & Welling 2013. Usage: /usr/bin/python3 -B vae.py"""

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

import fill
import record

LEARNING_RATE = 1e-3
BETA = 1.0


class VAE(nn.Module):
    def __init__(self, encoder, features, latent, decoder):
        super().__init__()
        self.encoder = encoder
        self.mu = nn.Linear(features, latent)
        self.logvar = nn.Linear(features, latent)
        self.decoder = decoder

    def encode(self, x):
        features = self.encoder(x)
        return self.mu(features), self.logvar(features)

    def forward(self, x):
        """For the probe: mu, logvar and the flattened decoder output for z = mu (no sigmoid or tanh), side by side."""
        mu, logvar = self.encode(x)
        return torch.cat([mu, logvar, self.decoder(mu).flatten(1)], 1)


def mlp(channels, height, width, latent):
    pixels = channels * height * width
    encoder, before = [nn.Flatten()], pixels
    for after in 512, 256, 128, 64:
        encoder += [nn.Linear(before, after), nn.ReLU()]
        before = after
    decoder, before = [], latent
    for after in 64, 128, 256, 512:
        decoder += [nn.Linear(before, after), nn.ReLU()]
        before = after
    decoder += [nn.Linear(before, pixels), nn.Unflatten(1, (channels, height, width))]
    return VAE(nn.Sequential(*encoder), 64, latent, nn.Sequential(*decoder))


def conv(channels, height, width, latent):
    h, w = height // 8, width // 8
    encoder = nn.Sequential(
        nn.Conv2d(channels, 32, 4, 2, 1), nn.ReLU(),
        nn.Conv2d(32, 64, 4, 2, 1), nn.ReLU(),
        nn.Conv2d(64, 128, 4, 2, 1), nn.ReLU(),
        nn.Flatten(),
        nn.Linear(128 * h * w, 256), nn.ReLU(),
    )
    decoder = nn.Sequential(
        nn.Linear(latent, 256), nn.ReLU(),
        nn.Linear(256, 128 * h * w), nn.ReLU(),
        nn.Unflatten(1, (128, h, w)),
        nn.ConvTranspose2d(128, 64, 4, 2, 1), nn.ReLU(),
        nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.ReLU(),
        nn.ConvTranspose2d(32, channels, 4, 2, 1),
    )
    return VAE(encoder, 256, latent, decoder)


def reconstruction_bce(output, x):
    """Summed over pixels, averaged over the batch; images on [0, 1]."""
    return binary_cross_entropy_with_logits(output, (x + 1) / 2, reduction="sum") / len(x)


def reconstruction_mse(output, x):
    """Summed over pixels, averaged over the batch; images on [-1, 1]."""
    return (torch.tanh(output) - x).square().sum() / len(x)


def kl_divergence(mu, logvar):
    """Summed over dimensions, averaged over the batch."""
    return -0.5 * (1 + logvar - mu.square() - logvar.exp()).sum() / len(mu)


# Networks, reconstruction and latent dimension of each golden file.
RUNS = {
    (1, 28, 28): (mlp, reconstruction_bce, 2),
    (3, 32, 32): (conv, reconstruction_mse, 64),
}


def train(shape, batch, iterations, dtype):
    """Trains from the formula's weights, on its images and noise; returns what the golden file keeps."""
    make, reconstruction_loss, latent = RUNS[shape]
    network = make(*shape, latent).to(dtype)
    fill.fill_network("vae", network)
    optimiser = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    draws = fill.Draws(batch, shape, dtype)
    losses, reconstructions, kls = [], [], []

    for _ in range(iterations):
        x = draws.images()
        mu, logvar = network.encode(x)
        z = mu + (logvar / 2).exp() * draws.normal((batch, latent))
        reconstruction = reconstruction_loss(network.decoder(z), x)
        kl = kl_divergence(mu, logvar)
        loss = reconstruction + BETA * kl
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(record.nine(loss.item()))
        reconstructions.append(record.nine(reconstruction.item()))
        kls.append(record.nine(kl.item()))

    return {
        "vae_loss": losses,
        "reconstruction": reconstructions,
        "kl": kls,
        "state": {"vae": record.checksums(network)},
        "probe": record.summary(record.probe(network, record.probe_input(*shape))),
    }


def main():
    torch.set_num_threads(2)
    batch, iterations = 16, 20
    for shape, (make, reconstruction_loss, latent) in RUNS.items():
        record.write(__file__, "vae_{}x{}x{}.json".format(*shape), {
            "model": "vae", "shape": shape, "batch": batch, "iterations": iterations,
            "network": make.__name__, "reconstruction_loss": reconstruction_loss.__name__.partition("_")[2], "latent": latent,
            "torch": torch.__version__,
            "float32": train(shape, batch, iterations, torch.float32),
            "float64": train(shape, batch, iterations, torch.float64),
        })


if __name__ == "__main__":
    main()
