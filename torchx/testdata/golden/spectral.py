"""Golden values of spectral normalisation. Usage: /usr/bin/python3 -B spectral.py"""

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from layers import options
from shared import build, described, record, recorded

SEED, FORWARDS = 7, 3

# name, layer, input shape
CASES = [
    ("linear", lambda: nn.Linear(5, 3), (4, 5)),
    ("linear_no_bias", lambda: nn.Linear(20, 18, bias=False), (2, 20)),
    ("conv2d", lambda: nn.Conv2d(2, 3, 4, stride=2, padding=1), (2, 2, 6, 8)),
    ("conv_transpose2d", lambda: nn.ConvTranspose2d(2, 3, 4, stride=2, padding=1), (2, 2, 3, 2)),
    ("conv_transpose2d_5x5", lambda: nn.ConvTranspose2d(6, 2, 5, stride=2, padding=2, output_padding=1), (1, 6, 3, 2)),
]


def vectors(layer):
    power = layer.parametrizations.weight[0]
    return {"u": recorded(power._u), "v": recorded(power._v)}


def case(name, make, shape):
    torch.manual_seed(SEED)
    found = {"name": name}
    plain = make()
    found["layer"], found["options"] = type(plain).__name__, options(plain)
    layer = spectral_norm(plain)
    state = layer.state_dict()
    found["names"], found["initial"] = list(state), vectors(layer)

    found["state"] = {key: described(f"{name}.{key}", entry.shape, scale=0.5) for key, entry in state.items()}
    layer.load_state_dict({key: build(d) for key, d in found["state"].items()}, strict=True)
    found["input"] = described(f"{name}.input", shape)
    x = build(found["input"]).requires_grad_()
    found["forwards"] = []
    outputs = []
    for _ in range(FORWARDS):  # all graphs are alive when the gradients are taken
        outputs.append(layer(x))
        found["forwards"].append({"output": recorded(outputs[-1]), **vectors(layer)})
    found["output_gradient"] = described(f"{name}.gradient", outputs[0].shape)
    parameters = dict(layer.named_parameters())
    for forward, y in zip(found["forwards"], outputs):
        loss = (y * build(found["output_gradient"])).sum()
        gradients = torch.autograd.grad(loss, [x, *parameters.values()], create_graph=True)
        forward["input_gradient"] = recorded(gradients[0])
        forward["gradients"] = {key: recorded(g) for key, g in zip(parameters, gradients[1:])}
        # as a gradient penalty: a second derivative
        (penalty,) = torch.autograd.grad((gradients[0] ** 2).sum(), [parameters["parametrizations.weight.original"]])
        forward["penalty_gradient"] = recorded(penalty)
    layer.eval()
    found["evaluation"] = {"output": recorded(layer(x)), **vectors(layer)}
    return found


def main():
    torch.set_num_threads(2)
    record.write(__file__, "spectral.json", {
        "torch": torch.__version__,
        "seed": SEED,
        "cases": [case(*c) for c in CASES],
    })


if __name__ == "__main__":
    main()
