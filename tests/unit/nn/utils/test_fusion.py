"""Batch norm folded into the layer before it; modules without starting values; memory formats."""

import pytest

import regrad as rg
from regrad import nn
from regrad.nn.utils import (
    convert_conv2d_weight_memory_format,
    convert_conv3d_weight_memory_format,
    fuse_conv_bn_eval,
    fuse_linear_bn_eval,
    skip_init,
)


def seasoned(norm):
    """A batch norm in evaluation mode that does something."""
    with rg.no_grad():
        for t in [*norm.parameters(), norm.running_mean, norm.running_var]:
            t.uniform_(0.5, 2.0)
    return norm.double().eval()


LAYERS = {
    "conv": (nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3), (4, 2, 5, 5)),
    "without bias": (nn.Conv1d(2, 3, 2, bias=False), nn.BatchNorm1d(3, affine=False), (4, 2, 5)),
    "transposed": (nn.ConvTranspose2d(2, 3, 2), nn.BatchNorm2d(3), (4, 2, 5, 5)),
    "linear": (nn.Linear(2, 3), nn.BatchNorm1d(3), (4, 2)),
    "linear without bias": (nn.Linear(2, 3, bias=False), nn.BatchNorm1d(3), (4, 2)),
}


@pytest.mark.parametrize(("name", "case"), LAYERS.items())
def test_one_layer_computes_what_two_did(name, case):
    layer, norm, shape = case
    layer, norm = layer.double().eval(), seasoned(norm)
    before = [p.tolist() for p in layer.parameters()]
    fused = (
        fuse_linear_bn_eval(layer, norm)
        if isinstance(layer, nn.Linear)
        else fuse_conv_bn_eval(layer, norm, transpose=name == "transposed")
    )
    x = rg.randn(*shape, dtype=rg.float64)
    rg.testing.assert_close(fused(x), norm(layer(x)))
    assert (type(layer), nn.Parameter) == (type(fused), type(fused.bias))
    assert before == [p.tolist() for p in layer.parameters()]
    assert (True, layer.bias is not None) == (fused.weight.requires_grad, fused.bias.requires_grad)


def test_what_cannot_be_fused():
    layer = nn.Linear(2, 3).eval()
    for norm, words in [
        (nn.BatchNorm1d(3), "only for eval"),
        (nn.BatchNorm1d(4).eval(), "linear.out_features=3 and bn.num_features=4"),
        (nn.BatchNorm1d(3, track_running_stats=False).eval(), "running_mean"),
    ]:
        with pytest.raises(AssertionError, match=words):
            fuse_linear_bn_eval(layer, norm)


def test_a_module_without_starting_values():
    layer = skip_init(nn.Linear, 2, out_features=3, dtype=rg.float64)
    assert ((3, 2), rg.float64, True) == (layer.weight.shape, layer.weight.dtype, layer.weight.requires_grad)
    with pytest.raises(RuntimeError, match="Expected a Module; got"):
        skip_init(int)
    with pytest.raises(RuntimeError, match="must support a 'device' arg"):
        skip_init(nn.ReLU)
    with pytest.raises(RuntimeError, match="computes on the CPU only"):
        skip_init(nn.Linear, 2, 3, device="cuda")


@pytest.mark.parametrize("convert", [convert_conv2d_weight_memory_format, convert_conv3d_weight_memory_format])
def test_weights_keep_their_layout(convert):
    layer = nn.Conv2d(1, 1, 2)
    assert layer is convert(layer, rg.contiguous_format)
