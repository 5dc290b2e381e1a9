"""How tensors print: PyTorch's text, made from a NumPy array.

Start at ``tensor_text``, which sets the suffixes (``dtype=``, ``grad_fn=``, ...) behind what ``format_array``
writes. There ``_corners`` picks the elements shown, ``_texts`` writes each of them, ``_rows`` lays them out.
PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.set_printoptions.html
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np


class PrintOptions(NamedTuple):
    """What ``set_printoptions`` sets.

    >>> from regrad import printing
    >>> printing.PrintOptions(precision=2).threshold
    1000
    """

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_PROFILES = {
    "default": PrintOptions(),
    "short": PrintOptions(precision=2, edgeitems=2),
    "full": PrintOptions(threshold=math.inf),
}

_options = PrintOptions()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Choose how tensors print; what is left out stays, except ``sci_mode``, which becomes automatic.

    ``precision``: digits after the point (4). ``threshold``: tensors of more elements (1000) are abbreviated,
    to ``edgeitems`` (3) at both ends of each dimension. ``linewidth``: characters in a line (80).
    ``sci_mode``: scientific notation always (True), never (False) or where the numbers ask for it (None).
    ``profile``: "default", "short" or "full", set before the others. Raises ValueError for any other profile.
    PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.set_printoptions.html

    >>> rg.set_printoptions(precision=2)
    >>> rg.tensor([1.12345])
    tensor([1.12])
    >>> rg.set_printoptions(profile="default")
    """
    global _options
    if profile is not None and profile not in _PROFILES:
        raise ValueError(f"set_printoptions: unknown profile {profile!r}; pass 'default', 'short' or 'full'")
    base = _options if profile is None else _PROFILES[profile]
    _options = PrintOptions(
        base.precision if precision is None else precision,
        base.threshold if threshold is None else threshold,
        base.edgeitems if edgeitems is None else edgeitems,
        base.linewidth if linewidth is None else linewidth,
        sci_mode,
    )


def get_printoptions() -> dict[str, Any]:
    """The options in force, as keyword arguments for ``set_printoptions``.

    >>> from regrad import printing
    >>> printing.get_printoptions()["linewidth"]
    80
    """
    return _options._asdict()


class printoptions:
    """Print with other options inside a ``with`` block; takes what ``set_printoptions`` takes.

    >>> from regrad import printing
    >>> with printing.printoptions(precision=2):
    ...     print(rg.tensor([1.12345]))
    tensor([1.12])
    """

    def __init__(self, **options: Any) -> None:
        self.options = options

    def __enter__(self) -> None:
        self.was = _options
        set_printoptions(**self.options)

    def __exit__(self, *_: object) -> None:
        global _options
        _options = self.was


def tensor_text(
    array: np.ndarray[Any, Any],
    *,
    dtype_name: str,
    default_dtype_name: str = "float32",
    requires_grad: bool = False,
    grad_fn_name: str | None = None,
    tangent_text: str | None = None,
    size_note: bool = False,
    options: PrintOptions | None = None,
) -> str:
    """The ``repr`` of a tensor with the elements ``array``.

    ``dtype_name`` is ``str(x.dtype)`` or the bare name; it is shown unless it is the default dtype, the
    complex dtype that goes with it, int64 or bool. ``grad_fn_name`` stands in for ``requires_grad``;
    ``tangent_text`` is ``f"{tangent}"``; ``size_note`` shows the shape even where the elements tell it.

    >>> from regrad import printing
    >>> printing.tensor_text(np.array([1.0, 2.5]), dtype_name="regrad.float64", requires_grad=True)
    'tensor([1.0000, 2.5000], dtype=regrad.float64, requires_grad=True)'
    """
    options = options or _options
    suffixes = []
    if size_note or (array.size == 0 and array.ndim != 1) or (array.size and not options.edgeitems):
        suffixes.append(f"size={array.shape}")
    if _dtype_must_be_shown(dtype_name, default_dtype_name, empty=array.size == 0):
        suffixes.append(f"dtype={'' if '.' in dtype_name else 'regrad.'}{dtype_name}")
    if grad_fn_name is not None:
        suffixes.append(f"grad_fn=<{grad_fn_name}>")
    elif requires_grad:
        suffixes.append("requires_grad=True")
    if tangent_text is not None:
        suffixes.append(f"tangent={tangent_text}")

    opening = "tensor("
    text = opening + format_array(array, indent=len(opening), options=options)
    used = len(text) - text.rfind("\n") + 1  # two more than the last line has, as PyTorch counts
    for suffix in suffixes:
        if used + len(suffix) + 2 > options.linewidth:
            text += f",\n{' ' * len(opening)}{suffix}"
            used = len(opening) + len(suffix)
        else:
            text += f", {suffix}"
            used += len(suffix) + 2
    return f"{text})"


def _dtype_must_be_shown(dtype_name: str, default_dtype_name: str, *, empty: bool) -> bool:
    dtype, default = (name.rpartition(".")[2] for name in (dtype_name, default_dtype_name))
    if empty:  # there is no element that tells int64 or bool from the default
        return dtype != default
    return dtype not in (default, "complex128" if default == "float64" else "complex64", "int64", "bool")


def format_array(array: np.ndarray[Any, Any], *, indent: int = 0, options: PrintOptions | None = None) -> str:
    """The elements of ``array`` in brackets, as PyTorch prints them; later lines begin at ``indent``.

    >>> from regrad import printing
    >>> print(printing.format_array(np.array([[1.0, -2.0], [0.5, 30.0]])))
    [[ 1.0000, -2.0000],
     [ 0.5000, 30.0000]]
    """
    options = options or _options
    if array.size == 0:
        return "[]"
    edge = options.edgeitems if array.size > options.threshold else math.inf
    cut = [length > 2 * edge for length in array.shape]
    shown = _corners(array, cut, options.edgeitems)
    if shown.dtype.kind == "c":
        real, real_width = _texts(shown.real, options)
        imaginary, imaginary_width = _texts(shown.imag, options)
        cells = [_complex_text(*parts) for parts in zip(real, imaginary, strict=True)]
        width = real_width + imaginary_width + 1
    else:
        cells, width = _texts(shown, options)
    if array.ndim == 0:
        return cells[0]
    margin = indent + array.ndim - 1  # the innermost rows begin behind the outer brackets
    per_line = max(1, (options.linewidth - margin) // (width + 2))
    return _rows(iter(cells), shown.shape, cut, options.edgeitems, indent, per_line)


def _corners(array: np.ndarray[Any, Any], cut: Sequence[bool], edge: int) -> np.ndarray[Any, Any]:
    """The elements that are shown: both ends of each dimension that is cut."""
    for axis, (length, ends_only) in enumerate(zip(array.shape, cut, strict=True)):
        if ends_only:
            array = array.take([*range(edge), *range(length - edge, length)], axis)
    return array


def _texts(numbers: np.ndarray[Any, Any], options: PrintOptions) -> tuple[list[str], int]:
    """The text of each number, aligned to the right, and the width they are aligned to."""
    if numbers.dtype.kind in "biu":
        texts = [str(number) for number in numbers.ravel().tolist()]
        width = max(map(len, texts), default=1)
    else:
        floats = numbers.astype(np.float64).ravel().tolist()
        telling = [abs(x) for x in floats if x and math.isfinite(x)]
        spec, point = _float_form(telling, options)
        texts = [format(x, spec) + point if math.isfinite(x) else format(x, spec) for x in floats]
        # Zeros, infinities and nan do not count for the width, so a -0.0 may stick out, as in PyTorch.
        telling_texts = (text for text, x in zip(texts, floats, strict=True) if x and math.isfinite(x))
        width = max(map(len, telling_texts), default=1)
    return [text.rjust(width) for text in texts], width


def _float_form(telling: Sequence[float], options: PrintOptions) -> tuple[str, str]:
    """How to write floats, judged by the sizes of the finite nonzero ones: a format and what follows it."""
    if not telling:
        return ".0f", "."
    low, high = min(telling), max(telling)
    scientific = options.sci_mode
    if scientific is None:
        scientific = high / low > 1000 or high > 1e8 or low < 1e-4
    if scientific:
        return f".{options.precision}e", ""
    if all(x.is_integer() for x in telling):
        return ".0f", "."
    return f".{options.precision}f", ""


def _complex_text(real: str, imaginary: str) -> str:
    imaginary = imaginary.lstrip()
    return f"{real}{'' if imaginary[0] in '+-' else '+'}{imaginary}j"


def _rows(
    cells: Iterator[str], shape: Sequence[int], cut: Sequence[bool], edge: int, indent: int, per_line: int
) -> str:
    """The next cells in brackets, nested by ``shape``, with dots where a dimension is cut."""
    length, *inner = shape
    if inner:
        items = [_rows(cells, inner, cut[1:], edge, indent + 1, per_line) for _ in range(length)]
        dots, per_line = "...", 1
    else:
        items = list(islice(cells, length))
        dots = " ..." if edge else "..."
    if cut[0]:
        items.insert(edge, dots)
    lines = [", ".join(items[at : at + per_line]) for at in range(0, len(items), per_line)]
    between = "," + "\n" * max(1, len(inner)) + " " * (indent + 1)
    return f"[{between.join(lines)}]"
