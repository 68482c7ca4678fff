"""Run as a file, with a checkout of this project on Python's path, of whichever day: encodes, or decodes.

    python in_checkout.py encode PIXELS.npy OUT.inr '{"rd_lambda": 0.001, "n_steps": 1000}'
    python in_checkout.py decode PIXELS.npy OUT.inr '{"rd_lambda": 0.001, "n_steps": 200}' 9

Prints JSON: of `encode` the processor seconds, bytes and MSE; of `decode` the processor seconds of each time
after the first, which loads and compiles. It encodes first where the file is not there.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from inr import CodecConfig, decode, encode


def encoded(pixels_file: str, out: str, given: str) -> dict[str, Any]:
    """Encode an array of pixels in one thread, and decode the file again."""
    torch.set_num_threads(1)
    settings = json.loads(given)
    n_steps = settings.pop("n_steps")
    config = CodecConfig(model="cnn", preset="draft", **settings)
    pixels = np.load(pixels_file)
    encode(pixels[:64, :64], config, n_steps=60, device="cpu")  # loads and compiles
    started = time.process_time()
    found = encode(pixels, config, n_steps=n_steps, device="cpu")
    seconds = time.process_time() - started
    Path(out).write_bytes(found.bitstream)
    error = np.mean((decode(found.bitstream).pixels.astype(np.float64) - pixels) ** 2) / 255**2
    return {"cpu_seconds": seconds, "n_bytes": len(found.bitstream), "mse": float(error)}


def decoded(pixels_file: str, out: str, given: str, n_times: str) -> dict[str, Any]:
    """Decode a file again and again, in one thread."""
    if not Path(out).exists():
        encoded(pixels_file, out, given)
    torch.set_num_threads(1)
    data, seconds = Path(out).read_bytes(), []
    for _ in range(int(n_times) + 1):
        started = time.process_time()
        decode(data)
        seconds.append(time.process_time() - started)
    return {"cpu_seconds": seconds[1:]}


if __name__ == "__main__":
    command, *words = sys.argv[1:]
    print(json.dumps(encoded(*words) if command == "encode" else decoded(*words)))
