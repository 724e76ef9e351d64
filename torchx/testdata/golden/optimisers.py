"""Golden values of optimisers: parameters after each of ten steps. Usage: /usr/bin/python3 -B optimisers.py"""

import torch

from shared import build, described, record

STEPS = 10

# name, class, options that differ from PyTorch's defaults
CASES = [
    ("sgd", torch.optim.SGD, {"lr": 0.1}),
    ("sgd_nesterov_weight_decay", torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("sgd_dampening", torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.5}),
    ("adam", torch.optim.Adam, {}),
    ("adam_weight_decay", torch.optim.Adam, {"lr": 0.01, "weight_decay": 0.1}),
    ("adam_betas_0_0.9", torch.optim.Adam, {"lr": 0.01, "betas": (0.0, 0.9)}),
    ("adamw", torch.optim.AdamW, {}),
    ("adamw_weight_decay", torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.1}),
    ("rmsprop", torch.optim.RMSprop, {}),
    ("rmsprop_momentum", torch.optim.RMSprop, {"momentum": 0.9}),
    ("rmsprop_centered", torch.optim.RMSprop, {"centered": True}),
    ("rmsprop_weight_decay", torch.optim.RMSprop, {"weight_decay": 0.1}),
]

# The third parameter's gradients are of the size of eps (1e-8), so that eps in the wrong place shows.
SHAPES = [(4, 3), (7,), (2, 3, 2, 2)]
GRADIENT_SCALES = [1.0, 1.0, 2.0**-26]


def case(name, optimiser_class, options):
    parameters = [build(p).requires_grad_() for p in PARAMETERS]
    optimiser = optimiser_class(parameters, **options)
    after = []
    for step in range(STEPS):
        for p, gradient in zip(parameters, GRADIENTS[step]):
            p.grad = build(gradient)
        optimiser.step()
        after.append([record.values(p) for p in parameters])
    return {"name": name, "optimiser": optimiser_class.__name__, "options": options, "after": after}


PARAMETERS = [described(f"param.{i}", shape) for i, shape in enumerate(SHAPES)]
GRADIENTS = [
    [described(f"grad.{step}.{i}", shape, scale) for i, (shape, scale) in enumerate(zip(SHAPES, GRADIENT_SCALES))]
    for step in range(STEPS)
]


def main():
    torch.set_num_threads(2)
    record.write(__file__, "optimisers.json", {
        "torch": torch.__version__,
        "parameters": PARAMETERS,
        "gradients": GRADIENTS,
        "cases": [case(*c) for c in CASES],
    })


if __name__ == "__main__":
    main()
