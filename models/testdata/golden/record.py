"""What a golden file records of a network, and how it is written."""

import json
import os
import re

import torch

import fill

PROBE_SAMPLES = 2


def nine(x):
    """Rounded to 9 significant digits, which identify a float32."""
    return float(f"{x:.9g}")


def values(t):
    return [nine(x) for x in t.detach().flatten().tolist()]


def checksums(network):
    """Sum and L2 norm, taken in float64, of each entry of the state_dict."""
    entries = {}
    for name, entry in network.state_dict().items():
        entry = entry.double()
        entries[name] = {"shape": list(entry.shape), "sum": nine(entry.sum().item()), "norm": nine(entry.norm().item())}
    return entries


def probe_input(*sample_shape):
    """Latents or images of tag "probe"."""
    return fill.tensor("probe", (PROBE_SAMPLES, *sample_shape))


def probe(network, x):
    """The output in eval mode on x."""
    network.eval()
    with torch.no_grad():
        output = network(x.to(next(network.parameters()).dtype))
    network.train()
    return output


def summary(output):
    """std divides by n, not n - 1."""
    return {
        "shape": list(output.shape),
        "first": values(output.flatten()[:16]),
        "mean": nine(output.double().mean().item()),
        "std": nine(output.double().std(unbiased=False).item()),
    }


def write(script, name, content):
    """Writes name beside the script, lists of numbers on one line each."""
    text = json.dumps(content, indent=1)
    text = re.sub(r"\[[^][{}]*\]", lambda m: re.sub(r"\s+", " ", m[0]).replace("[ ", "[").replace(" ]", "]").replace(", ", ","), text)
    with open(os.path.join(os.path.dirname(os.path.abspath(script)), name), "w") as f:
        f.write(text + "\n")
