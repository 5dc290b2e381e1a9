"""The real data of the examples; all of it comes with Python, scikit-learn or Matplotlib."""

import numpy as np

__all__ = ["brain_waves", "digits", "python_documentation", "terrain", "tumours"]

HELD_OUT = 360


def digits():
    """Handwritten digits, shuffled once: 1,797 images of 8 by 8 pixels from 0 to 1, and their labels."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    return images[order].reshape(-1, 8, 8) / 16, labels[order]


def tumours():
    """30 measurements of each of 569 tumours, scaled, and whether it is benign (1) or malignant (0)."""
    from sklearn.datasets import load_breast_cancer

    measured, benign = load_breast_cancer(return_X_y=True)
    return (measured - measured.mean(0)) / measured.std(0), benign.astype(float)


def brain_waves():
    """Four electrodes over 800 samples of an electroencephalogram, scaled: shape (800, 4)."""
    from matplotlib import cbook

    waves = np.fromfile(cbook.get_sample_data("eeg.dat", asfileobj=False), dtype=float).reshape(800, 4)
    return (waves - waves.mean(0)) / waves.std(0)


def terrain():
    """Elevations of a piece of land, scaled: shape (86, 101)."""
    from matplotlib import cbook

    heights = cbook.get_sample_data("jacksboro_fault_dem.npz")["elevation"][::4, ::4].astype(float)
    return (heights - heights.mean()) / heights.std()


def python_documentation():
    """What ``help()`` knows of Python's own syntax, as one text of plain characters."""
    from pydoc_data.topics import topics

    text = "\n\n".join(topics[name] for name in sorted(topics))
    return "".join(c for c in text if c == "\n" or " " <= c <= "~")
