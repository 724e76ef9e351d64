"""Numbers that PyTorch and imori both make from a formula, so that neither has to store or copy the other's.

    hash(tag, i) = mix(fnv1a64(tag in UTF-8) + i * 0x9E3779B97F4A7C15)      all modulo 2^64
    mix(x):        x ^= x >> 30;  x *= 0xBF58476D1CE4E5B9                   (splitmix64's finaliser)
                   x ^= x >> 27;  x *= 0x94D049BB133111EB
                   x ^= x >> 31
    unit(tag, i) = (hash(tag, i) >> 40) / 2^24                              in [0, 1), exact in float32

Element i of a tensor, counted row-major, is shift + scale * (2 unit(tag, i) - 1), computed in float64 and then rounded
to float32. README.md has test vectors.
"""

import math

import numpy as np
import torch

MASK = (1 << 64) - 1


def fnv1a64(text):
    h = 0xCBF29CE484222325
    for byte in text.encode("utf-8"):
        h = (h ^ byte) * 0x100000001B3 & MASK
    return h


def hashes(tag, n):
    """The hashes of elements 0 .. n-1, as uint64."""
    x = np.arange(n, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(fnv1a64(tag))
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def units(tag, n):
    return (hashes(tag, n) >> np.uint64(40)).astype(np.float64) / 2**24


def tensor(tag, shape, scale=1.0, shift=0.0):
    """A float32 tensor; with the default scale and shift it is uniform on [-1, 1)."""
    values = shift + scale * (2 * units(tag, math.prod(shape)) - 1)
    return torch.from_numpy(values.astype(np.float32)).reshape(shape)


def fill_network(name, network):
    """Overwrites the parameters and buffers of a network, one tag "<name>.<state_dict name>" an entry."""
    for key, entry in network.state_dict().items():
        tag, kind = f"{name}.{key}", key.rpartition(".")[2]
        if kind == "weight" and entry.dim() > 1:  # linear, convolution, transposed convolution
            fan_in = entry.numel() // entry.shape[0]
            entry.copy_(tensor(tag, entry.shape, scale=math.sqrt(1 / fan_in)))
        elif kind == "weight":  # batch norm, group norm
            entry.copy_(tensor(tag, entry.shape, scale=0.1, shift=1.0))
        elif kind == "bias":
            entry.copy_(tensor(tag, entry.shape, scale=0.1))
        elif kind == "running_var":
            entry.fill_(1)
        else:  # running_mean, num_batches_tracked
            entry.zero_()


class Draws:
    """The random draws of a training run: number k of a kind, counted from 0 over the whole run, has tag "<kind>.k"."""

    def __init__(self, batch, image_shape, dtype):
        self.batch, self.image_shape, self.dtype = batch, image_shape, dtype
        self.batches = self.noises = 0

    def images(self):
        """The next minibatch of images."""
        self.batches += 1
        return tensor(f"batch.{self.batches - 1}", (self.batch, *self.image_shape)).to(self.dtype)

    def targets(self, channels):
        """The pair targets of the last minibatch, of the images' height and width."""
        return tensor(f"target.{self.batches - 1}", (self.batch, channels, *self.image_shape[1:])).to(self.dtype)

    def labels(self, classes):
        """The labels of the last minibatch, int64."""
        return torch.from_numpy(np.floor(units(f"label.{self.batches - 1}", self.batch) * classes).astype(np.int64))

    def noise(self, shape, scale, shift):
        """The next noise, of either kind: both have the same count."""
        self.noises += 1
        return tensor(f"noise.{self.noises - 1}", shape, scale, shift).to(self.dtype)

    def uniform(self, low, high, shape):
        return self.noise(shape, (high - low) / 2, (low + high) / 2)

    def normal(self, shape):
        """Stands for N(0, I): mean 0 and variance 1, but uniform on [-sqrt(3), sqrt(3))."""
        return self.noise(shape, math.sqrt(3), 0.0)
