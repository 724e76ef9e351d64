"""Finds the formula and the JSON writer, which the models' goldens share."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../models/testdata/golden"))

import fill
import record


def described(tag, shape, scale=1.0, shift=0.0):
    """How a reader rebuilds a tensor: element i is shift + scale * (2 unit(tag, i) - 1)."""
    return {"tag": tag, "shape": list(shape), "scale": scale, "shift": shift}


def build(description):
    return fill.tensor(**description)


def recorded(t):
    return {"shape": list(t.shape), "values": record.values(t)}
