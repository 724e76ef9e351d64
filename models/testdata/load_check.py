"""Loads weights that imori saved into torch.nn modules, as a user would, and runs them.

Usage: /usr/bin/python3 load_check.py FILE.safetensors NETWORK [CxHxW]

NETWORK is wgan.generator, wgan.critic, dcgan.generator or dcgan.discriminator, of the default widths; CxHxW is the
size of the images (3x32x32). Prints {"network", "shape", "values"}: the output in eval mode on the tensor of tag
"probe", which is two latents for a generator and two images for its opponent (the formula is in golden/fill.py).
"""

import json
import os
import sys

import numpy as np
import torch

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden"))

import dcgan
import record
import wgan

NETWORKS = {
    "wgan.generator": wgan.generator,
    "wgan.critic": wgan.critic,
    "dcgan.generator": dcgan.generator,
    "dcgan.discriminator": dcgan.discriminator,
}
LATENTS = {"wgan.generator": wgan.LATENT, "dcgan.generator": dcgan.LATENT}
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
    if len(sys.argv) not in (3, 4) or sys.argv[2] not in NETWORKS:
        sys.exit(__doc__)
    path, name = sys.argv[1:3]
    image_shape = tuple(int(n) for n in (sys.argv[3] if len(sys.argv) == 4 else "3x32x32").split("x"))
    torch.set_num_threads(2)
    network = NETWORKS[name](*image_shape)
    network.load_state_dict(load_safetensors(path), strict=True)
    output = record.probe(network, (LATENTS[name],) if name in LATENTS else image_shape)
    print(json.dumps({"network": name, "shape": list(output.shape), "values": record.values(output)}))


if __name__ == "__main__":
    main()
