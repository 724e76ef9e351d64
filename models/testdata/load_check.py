"""Loads weights that imori saved into torch.nn modules, as a user would, and runs them.

Usage: /usr/bin/python3 load_check.py FILE.safetensors NETWORK [CxHxW] [SIZE=VALUE ...]

NETWORK is <model>.<network> as in NETWORKS below. CxHxW is the size of the images (3x32x32). The further sizes and
their defaults are the arguments of NETWORK's line there, such as latent=10. Prints {"network", "shape", "values"}: the
output in eval mode on the tensor of tag "probe" (the formula is in golden/fill.py), which is two latents for a
generator, two images for its opponent and for an autoencoder; golden/README.md says what cgan, pix2pix and vae do.
"""

import json
import os
import sys

import numpy as np
import torch

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden"))

import ae
import alphagan
import cgan
import convae
import dcgan
import gan
import pix2pix
import record
import vae
import wgan
import wgangp

probe = record.probe_input

# By name: a function from the size of the images and further sizes to the network and its input.
NETWORKS = {
    "ae.autoencoder": lambda image: (ae.autoencoder(*image), probe(*image)),
    "convae.autoencoder": lambda image: (convae.autoencoder(*image), probe(*image)),
    "vae.vae": lambda image, kind="mlp", latent=2: (getattr(vae, kind)(*image, latent), probe(*image)),
    "gan.generator": lambda image, latent=100: (gan.generator(*image, latent), probe(latent)),
    "gan.discriminator": lambda image: (gan.discriminator(*image), probe(*image)),
    "dcgan.generator": lambda image, latent=100: (dcgan.generator(*image, latent), probe(latent)),
    "dcgan.discriminator": lambda image: (dcgan.discriminator(*image), probe(*image)),
    "cgan.generator": lambda image, latent=100, classes=10: (
        cgan.generator(*image, latent, classes), cgan.probe_input(latent, classes=classes)),
    "cgan.discriminator": lambda image, classes=10: (
        cgan.discriminator(*image, classes), cgan.probe_input(*image, classes=classes)),
    "pix2pix.generator": lambda image, target_channels=3: (pix2pix.generator(*image, target_channels), probe(*image)),
    "pix2pix.discriminator": lambda image, target_channels=3: (
        pix2pix.discriminator(*image, target_channels), probe(image[0] + target_channels, *image[1:])),
    "wgan.generator": lambda image, latent=100: (wgan.generator(*image, latent), probe(latent)),
    "wgan.critic": lambda image: (wgan.critic(*image), probe(*image)),
    "wgangp.generator": lambda image, latent=128, dim=128: (wgangp.generator(*image, latent, dim), probe(latent)),
    "wgangp.critic": lambda image, dim=128: (wgangp.critic(*image, dim), probe(*image)),
    "alphagan.encoder": lambda image, latent=128: (alphagan.encoder(*image, latent), probe(*image)),
    "alphagan.generator": lambda image, latent=128: (alphagan.generator(*image, latent), probe(latent)),
    "alphagan.discriminator": lambda image: (alphagan.discriminator(*image), probe(*image)),
    "alphagan.code_discriminator": lambda image, latent=128: (alphagan.code_discriminator(latent), probe(latent)),
}
TYPES = {"F32": "<f4", "F64": "<f8", "I64": "<i8"}


def load_safetensors(path):
    """A reader of its own: Debian has no safetensors package, and a second reading of the format checks the writer."""
    with open(path, "rb") as f:
        data = f.read()
    header_size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + header_size])
    header.pop("__metadata__", None)
    body = data[8 + header_size :]
    tensors, covered = {}, 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = entry["data_offsets"]
        assert begin == covered, f"{name} begins at byte {begin}, the tensor before it ends at {covered}"
        array = np.frombuffer(body[begin:end], TYPES[entry["dtype"]]).reshape(entry["shape"])
        tensors[name], covered = torch.from_numpy(array.copy()), end
    assert covered == len(body), f"{len(body) - covered} bytes after the last tensor"
    return tensors


def main():
    path, name, *sizes = sys.argv[1:] if len(sys.argv) > 2 else ("", "")
    if name not in NETWORKS:
        sys.exit(__doc__)
    image = sizes.pop(0) if sizes and "=" not in sizes[0] else "3x32x32"
    further = dict(size.split("=") for size in sizes)
    torch.set_num_threads(2)
    network, x = NETWORKS[name](
        tuple(int(n) for n in image.split("x")),
        **{key: value if key == "kind" else int(value) for key, value in further.items()},
    )
    network.load_state_dict(load_safetensors(path), strict=True)
    output = record.probe(network, x)
    print(json.dumps({"network": name, "shape": list(output.shape), "values": record.values(output)}))


if __name__ == "__main__":
    main()
