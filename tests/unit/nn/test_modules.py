"""PyTorch's file names lead to the classes, by attribute and by import statement."""

import subprocess
import sys

import pytest

import regrad as rg

nn = rg.nn

PLACES = {
    "activation": ["MultiheadAttention", "ReLU", "Softmax"],
    "adaptive": ["AdaptiveLogSoftmaxWithLoss"],
    "batchnorm": ["BatchNorm1d", "LazyBatchNorm3d", "SyncBatchNorm", "_BatchNorm", "_NormBase"],
    "channelshuffle": ["ChannelShuffle"],
    "container": ["ModuleDict", "ParameterList", "Sequential"],
    "conv": ["Conv2d", "LazyConv1d", "_ConvNd", "_ConvTransposeNd"],
    "distance": ["CosineSimilarity", "PairwiseDistance"],
    "dropout": ["AlphaDropout", "Dropout", "_DropoutNd"],
    "flatten": ["Flatten", "Unflatten"],
    "fold": ["Fold", "Unfold"],
    "instancenorm": ["InstanceNorm2d", "_InstanceNorm"],
    "lazy": ["LazyModuleMixin"],
    "linear": ["Bilinear", "Identity", "LazyLinear", "Linear", "NonDynamicallyQuantizableLinear"],
    "loss": ["CrossEntropyLoss", "_Loss", "_WeightedLoss"],
    "module": ["Module", "_IncompatibleKeys", "register_module_forward_hook"],
    "normalization": ["CrossMapLRN2d", "GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm"],
    "padding": ["ReflectionPad2d", "ZeroPad1d", "_ConstantPadNd"],
    "pixelshuffle": ["PixelShuffle", "PixelUnshuffle"],
    "pooling": ["AdaptiveAvgPool2d", "MaxPool2d", "_MaxPoolNd"],
    "rnn": ["GRU", "LSTM", "LSTMCell", "RNN", "RNNBase", "RNNCellBase"],
    "sparse": ["Embedding", "EmbeddingBag"],
    "transformer": ["Transformer", "TransformerDecoderLayer", "TransformerEncoder"],
    "upsampling": ["Upsample", "UpsamplingNearest2d"],
    "utils": ["_ntuple", "_pair", "_quadruple", "_single", "_triple", "consume_prefix_in_state_dict_if_present"],
}


@pytest.mark.parametrize("place", PLACES)
def test_a_file_of_pytorch_has_its_classes(place):
    for name in PLACES[place]:
        found = getattr(getattr(nn.modules, place), name)
        assert found is getattr(nn, name, found)


def test_all_files_are_tried():
    assert sorted(PLACES) == nn.modules.__all__


def test_every_class_is_found_by_its_name_alone():
    classes = [name for name in nn.__all__ if isinstance(getattr(nn, name), type)]
    assert all(getattr(nn.modules, name) is getattr(nn, name) for name in classes)
    assert "Linear" in classes
    with pytest.raises(AttributeError, match=r"module 'regrad\.nn\.modules' has no attribute 'Linea'"):
        nn.modules.Linea  # noqa: B018


def test_an_import_statement_finds_them_first_thing():
    script = (
        "from regrad.nn.modules.batchnorm import _BatchNorm; from regrad.nn.modules import Linear, utils\n"
        "import regrad.nn.modules.conv as conv, regrad.nn as nn\n"
        "assert issubclass(nn.BatchNorm2d, _BatchNorm) and Linear is nn.Linear and conv._ConvNd and utils._pair"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


# -- the helpers of nn.modules.utils


def test_one_number_becomes_several_and_several_stay():
    utils = nn.modules.utils
    assert ((3,), (3, 3), (3, 3, 3), (3, 3, 3, 3)) == (
        utils._single(3), utils._pair(3), utils._triple(3), utils._quadruple(3))  # fmt: skip
    assert (1, 2) == utils._pair([1, 2])
    assert "_pair" == utils._pair.__name__
    assert (2, 2, 1, 1) == utils._reverse_repeat_tuple((1, 2), 2)
    assert (5, [7, 4]) == (utils._list_with_default(5, [1]), utils._list_with_default([None, 4], [3, 7, 8]))
    with pytest.raises(ValueError, match="Input dimension should be at least 3"):
        utils._list_with_default([None, 4], [3, 7])


def test_a_prefix_is_taken_off_a_state_and_its_versions():
    wrapped = nn.Module()
    wrapped.module = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    state = wrapped.state_dict()
    state["step"] = 3
    nn.modules.utils.consume_prefix_in_state_dict_if_present(state, "module.")
    assert [*wrapped.module.state_dict(), "step"] == list(state)
    assert wrapped.module.state_dict()._metadata == state._metadata
    del state["step"]
    wrapped.module.load_state_dict(state)
