"""Golden values of layers and losses: outputs and gradients. Usage: /usr/bin/python3 -B layers.py"""

import torch
from torch import nn
from torch.nn import functional as F

from shared import build, described, record, recorded

# name, module, input shape, scale of the input
MODULES = [
    ("linear", nn.Linear(5, 3), (4, 5), 1),
    ("linear_no_bias", nn.Linear(5, 3, bias=False), (4, 5), 1),
    ("conv2d", nn.Conv2d(2, 3, 3), (2, 2, 6, 5), 1),
    ("conv2d_stride2_padding1", nn.Conv2d(2, 3, 4, stride=2, padding=1), (2, 2, 6, 8), 1),
    ("conv2d_5x5_stride2_padding2", nn.Conv2d(2, 3, 5, stride=2, padding=2), (2, 2, 7, 6), 1),
    ("conv2d_groups2", nn.Conv2d(4, 6, 3, padding=1, groups=2), (1, 4, 4, 5), 1),
    ("conv2d_dilation2", nn.Conv2d(2, 2, 3, dilation=2, padding=1), (1, 2, 6, 7), 1),
    ("conv2d_no_bias", nn.Conv2d(2, 3, 4, stride=2, padding=1, bias=False), (1, 2, 6, 6), 1),
    ("conv2d_rectangular", nn.Conv2d(2, 2, (3, 2), stride=(2, 1), padding=(1, 0)), (1, 2, 5, 6), 1),
    ("conv_transpose2d", nn.ConvTranspose2d(2, 3, 3), (2, 2, 3, 4), 1),
    ("conv_transpose2d_stride2_padding1", nn.ConvTranspose2d(2, 3, 4, stride=2, padding=1), (2, 2, 3, 2), 1),
    ("conv_transpose2d_5x5_output_padding1", nn.ConvTranspose2d(2, 3, 5, stride=2, padding=2, output_padding=1), (2, 2, 3, 2), 1),
    ("conv_transpose2d_stride3_output_padding2", nn.ConvTranspose2d(2, 2, 3, stride=3, padding=1, output_padding=2), (1, 2, 3, 2), 1),
    ("conv_transpose2d_groups2", nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, groups=2), (1, 4, 3, 3), 1),
    ("conv_transpose2d_dilation2", nn.ConvTranspose2d(2, 2, 3, stride=2, padding=1, dilation=2), (1, 2, 3, 3), 1),
    ("conv_transpose2d_no_bias", nn.ConvTranspose2d(2, 3, 4, stride=2, padding=1, bias=False), (1, 2, 3, 3), 1),
    ("conv_transpose2d_rectangular", nn.ConvTranspose2d(2, 2, (3, 2), stride=(2, 3), padding=(1, 0), output_padding=(1, 2)), (1, 2, 2, 3), 1),
    ("batch_norm2d_train", nn.BatchNorm2d(3), (4, 3, 2, 3), 1),
    ("batch_norm2d_eval", nn.BatchNorm2d(3).eval(), (4, 3, 2, 3), 1),
    ("group_norm_1", nn.GroupNorm(1, 4), (2, 4, 3, 2), 1),
    ("group_norm_2", nn.GroupNorm(2, 4), (2, 4, 3, 2), 1),
    ("leaky_relu", nn.LeakyReLU(), (3, 7), 2),
    ("leaky_relu_0.2", nn.LeakyReLU(0.2), (3, 7), 2),
    ("relu", nn.ReLU(), (3, 7), 2),
    ("tanh", nn.Tanh(), (3, 7), 4),
    ("sigmoid", nn.Sigmoid(), (3, 7), 8),
    ("softplus", nn.Softplus(), (3, 7), 32),  # beyond 20 torch's softplus is the identity
    ("max_pool2d", nn.MaxPool2d(2), (2, 2, 5, 6), 1),
    ("avg_pool2d", nn.AvgPool2d(2), (2, 2, 5, 6), 1),
    ("global_avg_pool2d", nn.AdaptiveAvgPool2d(1), (2, 3, 4, 5), 1),
    ("upsample_nearest", nn.Upsample(scale_factor=2, mode="nearest"), (2, 2, 2, 3), 1),
]

# Each is a mean. The target's values are given by its scale and shift; scale 0 is a constant label.
LOSSES = [
    ("bce_with_logits", F.binary_cross_entropy_with_logits, {"scale": 0.5, "shift": 0.5}),
    ("bce_with_logits_ones", F.binary_cross_entropy_with_logits, {"scale": 0.0, "shift": 1.0}),
    ("bce_with_logits_zeros", F.binary_cross_entropy_with_logits, {"scale": 0.0, "shift": 0.0}),
    ("bce_with_logits_smooth", F.binary_cross_entropy_with_logits, {"scale": 0.0, "shift": 0.9}),
    ("mse", F.mse_loss, {"scale": 1.0}),
    ("l1", F.l1_loss, {"scale": 1.0}),
    ("hinge_real", lambda x: F.relu(1 - x).mean(), None),  # a critic's, on real images: its output should exceed 1
    ("hinge_generated", lambda x: F.relu(1 + x).mean(), None),  # on generated ones: below -1
]
LOSS_SHAPE, LOSS_SCALES = (4, 6), {"bce": 32.0, "mse": 2.0, "l1": 2.0, "hinge": 2.0}

OPTIONS = (
    "in_features", "out_features", "in_channels", "out_channels", "kernel_size", "stride", "padding", "output_padding", "dilation",
    "groups", "num_groups", "num_channels", "num_features", "eps", "momentum", "negative_slope", "beta", "threshold", "scale_factor",
)


def options(module):
    """The constructor's arguments as the module keeps them; one number of a pooling or an upsampling means both directions."""
    found = {name: getattr(module, name) for name in OPTIONS if hasattr(module, name)}
    if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
        found["bias"] = module.bias is not None
    if isinstance(module, nn.Conv2d):
        del found["output_padding"]
    return found


def module_case(name, module, shape, scale):
    normalises = isinstance(module, (nn.BatchNorm2d, nn.GroupNorm))
    spread = {
        "weight": {"scale": 0.5, "shift": 1.0} if normalises else {"scale": 0.5},
        "bias": {"scale": 0.5},
        "running_mean": {"scale": 0.5},
        "running_var": {"scale": 0.5, "shift": 1.0},
    }
    state = {}
    for key, entry in module.state_dict().items():
        if key in spread:
            state[key] = described(f"{name}.{key}", entry.shape, **spread[key])
            entry.copy_(build(state[key]))
    source = described(f"{name}.input", shape, scale=float(scale))
    x = build(source).requires_grad_()
    y = module(x)
    gradient = described(f"{name}.gradient", y.shape)
    y.backward(build(gradient))

    case = {"name": name, "layer": type(module).__name__, "training": module.training, "options": options(module),
            "input": source, "state": state, "output_gradient": gradient,
            "output": recorded(y), "input_gradient": recorded(x.grad)}
    for key, parameter in module.named_parameters():
        case[f"{key}_gradient"] = recorded(parameter.grad)
    if isinstance(module, nn.BatchNorm2d):
        case["state_after"] = {key: recorded(buffer) for key, buffer in module.named_buffers()}
    return case


def loss_case(name, function, target):
    source = described(f"{name}.input", LOSS_SHAPE, scale=LOSS_SCALES[name.split("_")[0]])
    x = build(source).requires_grad_()
    case = {"name": name, "input": source}
    arguments = [x]
    if target is not None:
        case["target"] = described(f"{name}.target", LOSS_SHAPE, **target)
        arguments.append(build(case["target"]))
    loss = function(*arguments)
    loss.backward()
    return {**case, "output": record.nine(loss.item()), "input_gradient": recorded(x.grad)}


def main():
    torch.set_num_threads(2)
    record.write(__file__, "layers.json", {
        "torch": torch.__version__,
        "layers": [module_case(*m) for m in MODULES],
        "losses": [loss_case(*l) for l in LOSSES],
    })


if __name__ == "__main__":
    main()
