"""Loads a spectrally normalised Conv2d(3, 8, 4) that imori saved into PyTorch's, trains a forward, and saves it.

Usage: /usr/bin/python3 -B spectral_check.py FROM.safetensors TO.safetensors

Prints {"training", "evaluation"}: the outputs of a forward in training mode, which moves the vectors before TO is
written, and of one in evaluation mode, for the input of tag "probe" (golden/README.md).
"""

import json
import os
import sys

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "golden"), os.path.join(HERE, "../../models/testdata")]

from load_check import load_safetensors
from shared import build, described, record


def save_safetensors(path, tensors):
    header, body = {}, b""
    for name, t in tensors.items():
        data = t.numpy().tobytes()
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text + body)


def main():
    layer = spectral_norm(nn.Conv2d(3, 8, 4))
    layer.load_state_dict(load_safetensors(sys.argv[1]), strict=True)
    x = build(described("probe", (2, 3, 6, 6)))
    with torch.no_grad():
        training = layer(x)
        evaluation = layer.eval()(x)
    save_safetensors(sys.argv[2], layer.state_dict())
    print(json.dumps({"training": record.values(training), "evaluation": record.values(evaluation)}))


if __name__ == "__main__":
    main()
