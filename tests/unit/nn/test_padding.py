"""Padding layers: what they print, what they put around the input, what they refuse."""

import numpy as np
import pytest

import regrad as rg

nn = rg.nn
KINDS = {"Circular": "wrap", "Reflection": "reflect", "Replication": "edge", "Zero": "constant"}


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize(("kind", "mode"), KINDS.items())
def test_the_input_is_extended_before_and_after_its_last_dimensions(kind, mode, dims):
    x = np.random.default_rng(0).standard_normal((2, 3, *(4, 3, 5)[:dims]))
    flat = (1, 2, 2, 0, 0, 1)[: 2 * dims]
    pairs = [(0, 0), (0, 0), *[(flat[i], flat[i + 1]) for i in range(0, 2 * dims, 2)][::-1]]
    layer = getattr(nn, f"{kind}Pad{dims}d")(flat)
    np.testing.assert_array_equal(np.pad(x, pairs, mode=mode), layer(rg.tensor(x)).numpy())
    np.testing.assert_array_equal(layer(rg.tensor(x))[0].numpy(), layer(rg.tensor(x[0])).numpy())


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_one_number_pads_all_sides(dims):
    for kind in KINDS:
        layer = getattr(nn, f"{kind}Pad{dims}d")(1)
        assert ((1,) * (2 * dims), f"{kind}Pad{dims}d({(1,) * (2 * dims)})") == (layer.padding, repr(layer))
    layer = getattr(nn, f"ConstantPad{dims}d")(2, 3.5)
    assert f"ConstantPad{dims}d(padding={(2,) * (2 * dims)}, value=3.5)" == repr(layer)
    assert 3.5 == float(layer(rg.zeros(1, *[1] * dims)).max())


def test_zero_padding_is_padding_by_a_constant():
    layer = nn.ZeroPad2d([1, 0, -1, 0])
    assert isinstance(layer, nn.ConstantPad2d)
    assert ((1, 0, -1, 0), 0.0) == (layer.padding, layer.value)
    assert [[[0.0, 3.0, 4.0]]] == layer(rg.tensor([[[1.0, 2.0], [3.0, 4.0]]])).tolist()


@pytest.mark.parametrize(("dims", "ok"), [(1, "2D or 3D"), (2, "3D or 4D"), (3, "4D or 5D")])
def test_circular_padding_names_the_dimensions_it_takes(dims, ok):
    layer = getattr(nn, f"CircularPad{dims}d")(1)
    with pytest.raises(ValueError, match=rf"CircularPad{dims}d: expected {ok} input \(got 1D input\)"):
        layer(rg.ones(3))


def test_a_padding_that_is_no_number_is_refused_at_once():
    with pytest.raises(TypeError, match=r"ZeroPad2d: padding must be int or tuple of ints, not float"):
        nn.ZeroPad2d(1.5)
