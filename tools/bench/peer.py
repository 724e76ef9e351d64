"""What the peer scripts share: arguments, data in memory, and the figures that are compared."""

import argparse
import json
import os
import resource
import statistics
import time

import torch

BATCH = 64
LATENT = 100


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--iterations", type=int, default=20, help="timed iterations")
    parser.add_argument("--warmup", type=int, default=3, help="iterations before the timed ones")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    if options.iterations < 1 or options.warmup < 0 or options.threads < 1:
        parser.error("--iterations and --threads must be at least 1, --warmup at least 0")
    return options


def images(count, channels, side):
    """Square images in [-1, 1], made from random bytes."""
    pixels = torch.randint(0, 256, (count, channels, side, side), dtype=torch.uint8)
    return pixels.float().div_(127.5).sub_(1)


def minibatch(images, batch=BATCH):
    return images[torch.randint(0, len(images), (batch,))]


def noise():
    return torch.rand(BATCH, LATENT) * 2 - 1


def seconds_since_process_start():
    with open("/proc/self/stat") as f:
        started = int(f.read().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started


def measure(model, options, iteration, networks, batch=BATCH, minibatches=1):
    """Runs iteration() and prints the figures as one line of JSON.

    time_to_first_step_s: from the start of the process, imports and data included, to the end of the first iteration.
    ms_per_iteration: the mean over the timed iterations, as a median would hide stalls; images_per_second follows from it.
    minibatches: those of real images that an iteration sees.
    parameters: the trained values of each network, to be the same on both sides.
    """
    first, times = None, []
    for i in range(options.warmup + options.iterations):
        begin = time.perf_counter()
        iteration()
        if i >= options.warmup:
            times.append(time.perf_counter() - begin)
        if first is None:
            first = seconds_since_process_start()
    mean = statistics.mean(times)
    print(json.dumps({
        "model": model,
        "precision": "fp32",
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "batch": batch,
        "parameters": {name: sum(p.numel() for p in network.parameters()) for name, network in networks.items()},
        "iterations": len(times),
        "images_per_second": round(minibatches * batch / mean, 2),
        "ms_per_iteration": round(mean * 1000, 3),
        "median_ms": round(statistics.median(times) * 1000, 3),
        "time_to_first_step_s": round(first, 2),
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }))
