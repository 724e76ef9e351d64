"""Golden values of gradient clipping. Usage: /usr/bin/python3 -B gradients.py"""

import torch
from torch.nn import utils

from shared import build, described, record, recorded

GRADIENTS = [described("gradient.0", (4, 3)), described("gradient.1", (7,), 3.0), described("gradient.2", (), 2.0), described("gradient.3", (2, 3, 2, 2), 0.5)]

# name, the function of torch.nn.utils, its limit
CASES = [
    ("norm", utils.clip_grad_norm_, 1.0),
    ("norm_small", utils.clip_grad_norm_, 1e-6),
    ("norm_not_reached", utils.clip_grad_norm_, 100.0),
    ("value", utils.clip_grad_value_, 0.5),
    ("value_not_reached", utils.clip_grad_value_, 100.0),
]


def case(name, clip, limit):
    parameters = [torch.zeros(g["shape"], requires_grad=True) for g in GRADIENTS]
    for p, g in zip(parameters, GRADIENTS):
        p.grad = build(g)
    norm = clip(parameters, limit)
    found = {"name": name, "limit": limit, "after": [recorded(p.grad) for p in parameters]}
    if norm is not None:
        found["norm"] = record.nine(norm.item())
    return found


def main():
    torch.set_num_threads(2)
    record.write(__file__, "gradients.json", {
        "torch": torch.__version__,
        "gradients": GRADIENTS,
        "cases": [case(*c) for c in CASES],
    })


if __name__ == "__main__":
    main()
