"""Kernels of latents on their way: their surrogate, its derivative with Adam's step, and the distortion.

Kernels look up what changes from step to step in the table `schedule` on the card, by a step's number which
is there too, so that a recorded step can be played again without the host. Noise is drawn from a counter
(Philox) by the image's seed, the pair of steps and the latent's place: nothing of it is kept.
"""

import triton
import triton.language as tl

# Columns of the schedule.
N_COLUMNS = 8
TEMPERATURE, SCALE, WIDTH, RATE, FIRST_CORRECTION, SECOND_CORRECTION, WEIGHTS_RATE = range(7)

_N_COLUMNS = tl.constexpr(N_COLUMNS)
_TEMPERATURE, _SCALE, _WIDTH = tl.constexpr(TEMPERATURE), tl.constexpr(SCALE), tl.constexpr(WIDTH)
_RATE = tl.constexpr(RATE)
_FIRST_CORRECTION = tl.constexpr(FIRST_CORRECTION)
_SECOND_CORRECTION = tl.constexpr(SECOND_CORRECTION)
_ROOT_SIX = tl.constexpr(6**0.5)


@triton.jit
def _tanh(x):
    decay = tl.exp(-2 * tl.abs(x))
    size = (1 - decay) / (1 + decay)
    return tl.where(x < 0, -size, size)


@triton.jit
def _soft_round(values, temperature, scale):
    """Softly rounded values, and the derivative."""
    middle = tl.floor(values) + 0.5
    bent = _tanh((values - middle) / temperature)
    return middle + scale * bent, scale / temperature * (1 - bent * bent)


@triton.jit
def _noise(seeds, image, step, place, width):
    """Noise of a standard deviation: the sum of two uniform draws, negated in every second step."""
    seed = tl.load(seeds + image) * (1 << 20) + step // 2
    first, second, _, _ = tl.rand4x(seed, place)
    return (first + second - 1) * (width * _ROOT_SIX) * (1 - 2 * (step % 2))


@triton.jit(do_not_specialize=["n_latents"])
def soften(latents, schedule, counter, seeds, softened, n_latents, block: tl.constexpr):
    """Latents as the decoder might see them: [B, latents]; axes of the launch are blocks and images."""
    image = tl.program_id(1).to(tl.int64)
    step = tl.load(counter)
    row = schedule + step * _N_COLUMNS
    temperature, scale = tl.load(row + _TEMPERATURE), tl.load(row + _SCALE)
    place = tl.program_id(0) * block + tl.arange(0, block)
    inside = place < n_latents
    values = tl.load(latents + image * n_latents + place, mask=inside, other=0.0)
    first, _ = _soft_round(values, temperature, scale)
    first += _noise(seeds, image, step, place, tl.load(row + _WIDTH))
    second, _ = _soft_round(first, temperature, scale)
    tl.store(softened + image * n_latents + place, second, mask=inside)


@triton.jit(do_not_specialize=["n_latents"])
def update_latents(
    latents,
    by_bits,
    by_distortion,
    shares,
    first_moments,
    second_moments,
    schedule,
    counter,
    seeds,
    n_latents,
    epsilons,
    first_decay: tl.constexpr,
    second_decay: tl.constexpr,
    block: tl.constexpr,
):
    """A step of Adam on latents, from gradients for their surrogate.

    `shares` [B, 2] are the derivatives of an image's cost with respect to its bits and to its distortion;
    `epsilons` [B] are Adam's.
    """
    image = tl.program_id(1).to(tl.int64)
    step = tl.load(counter)
    row = schedule + step * _N_COLUMNS
    temperature, scale = tl.load(row + _TEMPERATURE), tl.load(row + _SCALE)
    place = tl.program_id(0) * block + tl.arange(0, block)
    inside = place < n_latents
    at = image * n_latents + place
    values = tl.load(latents + at, mask=inside, other=0.0)
    gradient = tl.load(shares + 2 * image) * tl.load(by_bits + at, mask=inside, other=0.0)
    gradient += tl.load(shares + 2 * image + 1) * tl.load(by_distortion + at, mask=inside, other=0.0)
    softened, slope = _soft_round(values, temperature, scale)
    softened += _noise(seeds, image, step, place, tl.load(row + _WIDTH))
    _, second_slope = _soft_round(softened, temperature, scale)
    gradient *= slope * second_slope
    first = tl.load(first_moments + at, mask=inside, other=0.0) * first_decay + (1 - first_decay) * gradient
    second = tl.load(second_moments + at, mask=inside, other=0.0) * second_decay
    second += (1 - second_decay) * gradient * gradient
    tl.store(first_moments + at, first, mask=inside)
    tl.store(second_moments + at, second, mask=inside)
    spread = tl.sqrt(second * tl.load(row + _SECOND_CORRECTION)) + tl.load(epsilons + image)
    values -= tl.load(row + _RATE) * tl.load(row + _FIRST_CORRECTION) * first / spread
    tl.store(latents + at, values, mask=inside)


@triton.jit(do_not_specialize=["n_samples"])
def distortion(
    samples,
    targets,
    weights,
    errors,
    partial,
    n_samples,
    weighted: tl.constexpr,
    block: tl.constexpr,
):
    """Mean squared error of an image in partial sums [B, blocks], and its gradient for the samples.

    `samples` float32 and `targets` uint8 are [B, samples]; `weights` [B, samples] has the mean 1. A sample at
    an end of the scale is met by all that is beyond it, since samples are clipped.
    """
    image = tl.program_id(1).to(tl.int64)
    place = tl.program_id(0) * block + tl.arange(0, block)
    inside = place < n_samples
    at = image * n_samples + place
    target = tl.load(targets + at, mask=inside, other=0).to(tl.float32)
    error = tl.load(samples + at, mask=inside, other=0.0) - target / 255
    error = tl.where(target == 0, tl.maximum(error, 0.0), error)
    error = tl.where(target == 255, tl.minimum(error, 0.0), error)
    error = tl.where(inside, error, 0.0)
    slope = 2 * error / n_samples
    squares = error * error / n_samples
    if weighted:
        share = tl.load(weights + at, mask=inside, other=0.0)
        slope, squares = share * slope, share * squares
    tl.store(errors + at, slope, mask=inside)
    tl.store(partial + image * tl.num_programs(0) + tl.program_id(0), tl.sum(squares))
