"""Samples of the Fourier transforms: odd and even lengths, several dimensions, each scale."""

import numpy as np

from tests.laws.sample import Sample, complexes, uniform

NORMS = {0.0: "backward", 0.5: "ortho", 1.0: "forward"}


def spectrum(x, dim, power, forward):
    transform, norm = (np.fft.fftn, NORMS[power]) if forward else (np.fft.ifftn, NORMS[1 - power])
    return transform(x, axes=dim, norm=norm)


def half(x, dim, power):
    return np.fft.rfftn(x, axes=dim, norm=NORMS[power])


def signal(x, dim, power, size):
    return np.fft.irfftn(x, [*(x.shape[d] for d in dim[:-1]), size], dim, NORMS[1 - power])


def scaled(x, dim, size, by):
    k = np.arange(x.shape[dim])
    factor = np.where((k == 0) | (2 * k == size), 1, by)
    return x * factor.reshape([-1 if d == dim else 1 for d in range(x.ndim)])


SAMPLES = {
    "fft_c2c": [
        Sample(complexes(3, 4), expect=spectrum, dim=(1,), power=0.0, forward=True),
        Sample(complexes(3, 4), expect=spectrum, dim=(0, 1), power=0.5, forward=False),
        Sample(complexes(2, 3, 5), expect=spectrum, dim=(2, 0), power=1.0, forward=True),
        Sample(complexes(0, 4), expect=spectrum, dim=(1,), power=1.0, forward=False),
        Sample(complexes(2), expect=lambda x: x, dim=(), power=1.0, forward=True),
    ],
    "fft_r2c": [
        Sample(uniform(3, 4), expect=half, dim=(1,), power=0.0),
        Sample(uniform(3, 5), expect=half, dim=(0, 1), power=0.5),
        Sample(uniform(4, 3, 1), expect=half, dim=(2, 0), power=1.0),
        Sample(uniform(0, 6), expect=half, dim=(1,), power=0.5),
        Sample(uniform(2, 1), expect=half, dim=(1,), power=0.0),
    ],
    "fft_c2r": [
        Sample(complexes(2, 3), expect=signal, dim=(1,), power=1.0, size=4),
        Sample(complexes(2, 3), expect=signal, dim=(1,), power=0.5, size=5),
        Sample(complexes(3, 2, 4), expect=signal, dim=(2, 0), power=0.0, size=4),
        Sample(complexes(0, 3), expect=signal, dim=(1,), power=0.0, size=5),
        Sample(complexes(2, 1), expect=signal, dim=(1,), power=1.0, size=1),
    ],
    "scaled_pairs": [
        Sample(complexes(2, 3), expect=scaled, dim=1, size=4, by=2),
        Sample(complexes(3, 2), expect=scaled, dim=0, size=5, by=0.5),
        Sample(complexes(0, 1), expect=scaled, dim=1, size=1, by=2),
    ],
    "resized": [
        Sample(uniform(3, 4), expect=lambda x: np.pad(x[:, :2], ((0, 2), (0, 0))), dim=(0, 1), size=(5, 2)),
        Sample(complexes(3), expect=lambda x: x[:2], dim=(0,), size=(2,)),
        Sample(uniform(0, 2), expect=lambda x: np.zeros((0, 3)), dim=(1,), size=(3,)),
    ],
}
