"""Golden values of averaged weights after each of six updates. Usage: /usr/bin/python3 -B average.py"""

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from shared import build, described, record, recorded

UPDATES = 6
DECAYS = [0.9, 0.5, 0.25, 0.0]
SHAPES = {"0.weight": (3, 2, 2, 2), "0.bias": (3,), "1.weight": (3,), "1.bias": (3,), "1.running_mean": (3,), "1.running_var": (3,)}


def values(step):
    """What training would have made of the network."""
    return {name: described(f"{name}.{step}", shape, shift=2.0) for name, shape in SHAPES.items()}


def case(decay):
    model = nn.Sequential(nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3))
    averaged = AveragedModel(model, avg_fn=lambda average, new, count: decay * average + (1 - decay) * new)
    after = []
    for step in range(UPDATES):
        state = {name: build(d) for name, d in values(step).items()}
        state["1.num_batches_tracked"] = torch.tensor(step + 1)
        model.load_state_dict(state, strict=True)
        averaged.update_parameters(model)
        for average, new in zip(averaged.module.buffers(), model.buffers()):
            average.copy_(new)  # as AveragedModel does itself from PyTorch 2.0 on
        after.append({name: recorded(t) for name, t in averaged.module.state_dict().items()})
    return {"decay": decay, "after": after}


def main():
    torch.set_num_threads(2)
    record.write(__file__, "average.json", {
        "torch": torch.__version__,
        "updates": [values(step) for step in range(UPDATES)],
        "cases": [case(d) for d in DECAYS],
    })


if __name__ == "__main__":
    main()
