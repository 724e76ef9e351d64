"""Golden values of learning-rate schedules: the factor in each of 40 iterations. Usage: /usr/bin/python3 -B schedules.py"""

import os
import sys
import warnings

import torch
from torch.optim import lr_scheduler

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../models/testdata/golden"))

import record

ITERATIONS = 40

# Each makes a scheduler for an optimiser with the learning rate 1.


def constant(o):
    return lr_scheduler.LambdaLR(o, lambda done: 1.0)


def warmup(o, iterations):
    """1/iterations in the first iteration, 1 in the last of them."""
    return lr_scheduler.LinearLR(o, start_factor=1 / iterations, end_factor=1.0, total_iters=iterations - 1)


def linear(o, until, final=0.0):
    return lr_scheduler.LinearLR(o, start_factor=1.0, end_factor=final, total_iters=until)


def cosine(o, until, final=0.0):
    return lr_scheduler.CosineAnnealingLR(o, T_max=until, eta_min=final)


def then(o, *parts):
    """Schedulers one after the other; between them are the iterations done when the next takes over."""
    schedulers, milestones = parts[::2], parts[1::2]
    return lr_scheduler.SequentialLR(o, list(schedulers), list(milestones))


# name, scheduler, our configuration
CASES = [
    ("constant", constant, {}),
    ("warmup", lambda o: warmup(o, 8), {"warmup": 8}),
    ("linear", lambda o: linear(o, 40), {"schedule": "linear"}),
    ("cosine", lambda o: cosine(o, 40), {"schedule": "cosine"}),
    ("cosine_final", lambda o: cosine(o, 40, 0.1), {"schedule": "cosine", "final_lr": 0.1}),
    ("linear_from", lambda o: then(o, constant(o), 20, linear(o, 20)), {"schedule": "linear", "decay_from": 20}),
    ("linear_until", lambda o: linear(o, 30, 0.25), {"schedule": "linear", "decay_until": 30, "final_lr": 0.25}),
    ("warmup_cosine", lambda o: then(o, warmup(o, 8), 8, cosine(o, 32)), {"schedule": "cosine", "warmup": 8}),
    ("warmup_linear_from_until", lambda o: then(o, warmup(o, 5), 5, constant(o), 15, linear(o, 20, 0.5)),
     {"schedule": "linear", "warmup": 5, "decay_from": 15, "decay_until": 35, "final_lr": 0.5}),
]


def case(name, make, config):
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = make(optimiser)
    factors = []
    for _ in range(ITERATIONS):
        factors.append(record.nine(optimiser.param_groups[0]["lr"]))
        optimiser.step()
        scheduler.step()
    return {"name": name, "config": config, "factors": factors}


def main():
    warnings.simplefilter("ignore")  # SequentialLR passes an epoch, which PyTorch itself calls deprecated
    record.write(__file__, "schedules.json", {
        "torch": torch.__version__,
        "iterations": ITERATIONS,
        "cases": [case(*c) for c in CASES],
    })


if __name__ == "__main__":
    main()
