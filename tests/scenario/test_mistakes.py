"""The mistakes that people make when they train, and what they are told.

One table: a sentence, a function that makes the mistake, the builtin error that PyTorch raises there, and parts of
the message: what was got and what is taken (``told``), and the next step (``do``). Where PyTorch only warns, and where
it is silent and Regrad warns, the kind is the warning, which is an error in these tests. Whatever a function gives to
``watch`` has to be afterwards as it was then. Start reading at `mistake`, then at the tests at the end.
"""

from __future__ import annotations

import builtins
import copy
import math
import sys
from pathlib import Path

import numpy as np
import pytest

import regrad as rg
from regrad import nn, optim
from regrad.nn import functional as F
from regrad.optim import lr_scheduler
from regrad.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, default_collate, random_split

MISTAKES = []
NAN = math.nan


def mistake(sentence, kind, *told, do):
    def register(make):
        MISTAKES.append(pytest.param(make, kind, told, do, id=sentence))
        return make

    return register


def picture(thing):
    """All that a failure could change of a tensor, module, optimizer, schedule, or folder."""
    if isinstance(thing, rg.Tensor):
        grad = None if thing.grad is None else thing.grad.tolist()
        return repr((thing.tolist(), thing.dtype, thing.requires_grad, grad))
    if isinstance(thing, nn.Module):
        tensors = {**dict(thing.named_parameters()), **dict(thing.named_buffers())}
        return thing.training, repr(thing), {name: picture(t) for name, t in tensors.items()}
    if isinstance(thing, optim.Optimizer):
        return repr(thing.state_dict()), [picture(p) for group in thing.param_groups for p in group["params"]]
    if isinstance(thing, Path):
        return {path.name: path.read_bytes() for path in thing.iterdir()}
    return repr(sorted(thing.state_dict().items()))


class Watch:
    """Remembers how things were; gives back what it is given."""

    def __init__(self):
        self.seen = []

    def __call__(self, thing):
        self.seen.append((thing, picture(thing)))
        return thing

    def compare(self):
        for thing, before in self.seen:
            assert before == picture(thing)


def net():
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


def stepped(model, kind=optim.Adam, width=3):
    """An optimizer of ``model`` that has taken a step."""
    optimizer = kind(model.parameters(), lr=0.1)
    model(rg.ones(2, width)).sum().backward()
    optimizer.step()
    return optimizer


class Samples(Dataset):
    def __init__(self, *samples):
        self.samples = samples

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return self.samples[index]


# -- data that do not fit a layer


@mistake("images go into a Linear without being flattened", RuntimeError,
         "mat1 and mat2 shapes cannot be multiplied (896x28 and 784x10)", "in_features=784", do="input.flatten(1)")
def _(watch):
    watch(nn.Linear(784, 10))(rg.rand(32, 1, 28, 28))


@mistake("a Linear has another width than the layer before it", RuntimeError,
         "input has 4 features, weight takes 5", do="in_features=4")
def _(watch):
    watch(nn.Sequential(nn.Linear(3, 4), nn.Linear(5, 2)))(rg.rand(2, 3))


@mistake("float64 data from NumPy go into a float32 model", RuntimeError,
         "same dtype", "float64 != float32", do="convert the input with .to(regrad.float32)")
def _(watch):
    watch(nn.Linear(3, 2))(rg.from_numpy(np.ones((2, 3))))


@mistake("whole numbers go into a Linear", RuntimeError, "same dtype", "int64 != float32", do=".to(regrad.float32)")
def _(watch):
    watch(nn.Linear(3, 2))(rg.ones(2, 3, dtype=rg.int64))


@mistake("a list goes into a Linear", TypeError, "'input' (position 1) must be Tensor, not list", do="rg.tensor")
def _(watch):
    watch(nn.Linear(3, 2))([1.0, 2.0, 3.0])


@mistake("an LSTM stands in a Sequential", TypeError, "must be Tensor, not tuple", do="gives (output, state)")
def _(watch):
    watch(nn.Sequential(nn.LSTM(3, 4), nn.Linear(4, 2)))(rg.rand(5, 2, 3))


@mistake("images come with their channels last", RuntimeError,
         "expected input[1, 32, 32, 3] to have 3 channels, but got 32", do="input.movedim(-1, 1)")
def _(watch):
    watch(nn.Conv2d(3, 8, 3))(rg.rand(1, 32, 32, 3))


@mistake("a grey image goes into a layer for colours", RuntimeError,
         "to have 3 channels, but got 1 channels", do="make the layer for 1 channels, or give the input 3")
def _(watch):
    watch(nn.Conv2d(3, 8, 3))(rg.rand(1, 1, 32, 32))


@mistake("a batch of grey images has no dimension for the channel", RuntimeError,
         "Expected 3D (unbatched) or 4D (batched) input", "[28, 28]", do="input.unsqueeze(0)")
def _(watch):
    watch(nn.Conv2d(1, 8, 3))(rg.rand(28, 28))


@mistake("an image of bytes goes into a convolution", RuntimeError,
         "Input type (regrad.uint8) and", "float32", do=".to(regrad.float32)")
def _(watch):
    watch(nn.Conv2d(3, 8, 3))(rg.zeros(1, 3, 8, 8, dtype=rg.uint8))


@mistake("a kernel is larger than the image", RuntimeError,
         "(3 x 3). Kernel size: (5 x 5)", "can't be greater", do="take a smaller kernel or dilation, or pad more")
def _(watch):
    watch(nn.Conv2d(1, 8, 5))(rg.rand(1, 1, 3, 3))


@mistake("a pooling window is larger than what is left of the image", RuntimeError,
         "windows of (4, 4) on an input of (3, 3)", "too small", do="take a smaller kernel or dilation, or pad more")
def _(watch):
    nn.MaxPool2d(4)(rg.rand(1, 1, 3, 3))


@mistake("time comes before features in a Conv1d", RuntimeError,
         "expected input[2, 100, 16] to have 16 channels, but got 100", do="input.movedim(-1, 1)")
def _(watch):
    watch(nn.Conv1d(16, 8, 3))(rg.rand(2, 100, 16))


@mistake("groups do not divide the channels", ValueError, "divisible by groups", "3 and 2", do="groups=1")
def _(watch):
    nn.Conv2d(3, 8, 3, groups=2)


@mistake("padding='same' together with a stride", ValueError,
         "not supported for strided convolutions", "stride=(2, 2)", do="give the padding as a number")
def _(watch):
    nn.Conv2d(3, 8, 3, stride=2, padding="same")


@mistake("batch norm is trained on one sample", ValueError,
         "more than 1 value per channel", "[1, 4]", do="a larger batch, or use .eval()")
def _(watch):
    watch(nn.BatchNorm1d(4))(rg.rand(1, 4))


@mistake("batch norm has another number of channels", RuntimeError,
         "should contain 3 elements not 8", "[2, 3, 4, 4]", do="make the layer for 3 channels")
def _(watch):
    watch(nn.BatchNorm2d(8))(rg.rand(2, 3, 4, 4))


@mistake("a BatchNorm2d gets vectors", ValueError, "expected 4D input (got 2D input)",
         do="layers of this kind for 1, 2")
def _(watch):
    watch(nn.BatchNorm2d(8))(rg.rand(2, 8))


@mistake("layer norm has another width", RuntimeError, "[*, 8]", "[2, 8, 4]", do="give normalized_shape=[4]")
def _(watch):
    watch(nn.LayerNorm(8))(rg.rand(2, 8, 4))


@mistake("groups do not divide the channels of a GroupNorm", ValueError,
         "num_channels (8) must be divisible by num_groups (3)", do="give 1 or 2 or 4 or 8")
def _(watch):
    nn.GroupNorm(3, 8)


@mistake("a word is not in the vocabulary", IndexError,
         "out of range", "10 in a table of 10 rows", do="make it of 11 rows")
def _(watch):
    watch(nn.Embedding(10, 3))(rg.tensor([1, 10]))


@mistake("an Embedding gets floats", RuntimeError, "Long, Int; but got regrad.float32", do=".long()")
def _(watch):
    watch(nn.Embedding(10, 3))(rg.tensor([1.0, 2.0]))


@mistake("the row for padding does not exist", AssertionError,
         "Padding_idx must be within num_embeddings, 10, but got 10", do="numbered from 0")
def _(watch):
    nn.Embedding(10, 3, padding_idx=10)


@mistake("an EmbeddingBag gets a row without offsets", ValueError, "1D", "None", do="the rows of a 2D input")
def _(watch):
    watch(nn.EmbeddingBag(10, 3))(rg.tensor([1, 2]))


@mistake("an LSTM gets other features", RuntimeError, "Expected 8, got 7", "[2, 5, 7]", do="input_size=7")
def _(watch):
    watch(nn.LSTM(8, 16, batch_first=True))(rg.rand(2, 5, 7))


@mistake("the state of an LSTM is for another batch", RuntimeError,
         "Expected hidden[0] size (1, 2, 16), got [1, 4, 16]", do="leave the state out to start from zeros")
def _(watch):
    h = rg.zeros(1, 4, 16)
    watch(nn.LSTM(8, 16))(rg.rand(5, 2, 8), (h, h))


@mistake("an LSTM gets one state for two", TypeError, "a tuple (h_0, c_0) of two tensors",
         do="give back what the layer")
def _(watch):
    watch(nn.LSTM(8, 16))(rg.rand(5, 2, 8), (rg.zeros(1, 2, 16),))


@mistake("a GRU gets the state of an LSTM", (AttributeError, TypeError), "hx should be a tensor",
         do="only an LSTM takes two")
def _(watch):
    h = rg.zeros(1, 2, 16)
    watch(nn.GRU(8, 16))(rg.rand(5, 2, 8), (h, h))


@mistake("an LSTM cell gets other features", RuntimeError, "got 7 expected 8", do="input_size=7")
def _(watch):
    watch(nn.LSTMCell(8, 16))(rg.rand(2, 7))


@mistake("lengths of padded sequences are not sorted", RuntimeError,
         "sorted in decreasing order", do="`enforce_sorted=False`")
def _(watch):
    nn.utils.rnn.pack_padded_sequence(rg.zeros(5, 2, 3), rg.tensor([3, 5]))


@mistake("an empty sequence is packed", RuntimeError, "greater than 0", "<= 0", do="leave empty sequences out")
def _(watch):
    nn.utils.rnn.pack_padded_sequence(rg.zeros(5, 2, 3), rg.tensor([3, 0]))


@mistake("a mask of attention has another size", RuntimeError,
         "[2, 4, 5, 5] and [4, 5] do not broadcast", do="a row for each query and a column for each key")
def _(watch):
    q = rg.rand(2, 4, 5, 8)
    F.scaled_dot_product_attention(q, q, q, attn_mask=rg.ones(4, 5, dtype=rg.bool))


@mistake("a mask of attention holds ones and zeros", RuntimeError, "bool or float", "int64", do="mask.bool()")
def _(watch):
    q = rg.rand(2, 4, 5, 8)
    F.scaled_dot_product_attention(q, q, q, attn_mask=rg.ones(5, 5, dtype=rg.int64))


@mistake("the padding mask of MultiheadAttention is transposed", AssertionError,
         "to be (2, 5), but got (5, 2)", do="a row for each sample")
def _(watch):
    x = rg.rand(5, 2, 8)
    watch(nn.MultiheadAttention(8, 2))(x, x, x, key_padding_mask=rg.ones(5, 2, dtype=rg.bool))


@mistake("MultiheadAttention gets other features", AssertionError, "dimension of 8, but got 6", do="nn.Linear")
def _(watch):
    x = rg.rand(5, 2, 6)
    watch(nn.MultiheadAttention(8, 2))(x, x, x)


@mistake("softmax does not say along which dimension", UserWarning, "Implicit dimension choice", do="dim=X")
def _(watch):
    F.softmax(rg.rand(2, 3))


@mistake("interpolation does not say to which size", ValueError, "size or scale_factor", do="scale_factor=2")
def _(watch):
    F.interpolate(rg.rand(1, 1, 4, 4))


@mistake("dropout is given in percent", ValueError, "between 0 and 1, but got 20", do="the share")
def _(watch):
    nn.Dropout(20)


# -- modules that are put together wrongly


@mistake("super().__init__() is forgotten", AttributeError,
         "cannot assign module before Module.__init__() call", "self.fc", do="must call super().__init__()")
def _(watch):
    class Net(nn.Module):
        def __init__(self):
            self.fc = nn.Linear(2, 2)

    Net()


@mistake("super().__init__() is forgotten and the module called", AttributeError,
         "'Net' object has no attribute", do="Net.__init__ must call super().__init__() first")
def _(watch):
    class Net(nn.Module):
        def __init__(self):
            self.size = 3

        def forward(self, x):
            return x

    Net()(rg.ones(1))


@mistake("forward is misspelt", NotImplementedError, 'Module [Net] is missing the required "forward"',
         do="define forward")
def _(watch):
    class Net(nn.Module):
        def foward(self, x):
            return x

    watch(Net())(rg.ones(1))


@mistake("a ModuleList is called", NotImplementedError, "[ModuleList] is missing", do="call them one by one")
def _(watch):
    watch(nn.ModuleList([nn.Linear(2, 2)]))(rg.ones(1, 2))


@mistake("layers are kept in a plain list", ValueError, "empty parameter list", do="use nn.ModuleList")
def _(watch):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = [nn.Linear(2, 2), nn.Linear(2, 1)]

    optim.SGD(Net().parameters(), lr=0.1)


@mistake("a Sequential is given a list", TypeError, "list is not a Module subclass", do="Sequential(*modules)")
def _(watch):
    nn.Sequential([nn.Linear(2, 2), nn.ReLU()])


@mistake("a Sequential is given a class", TypeError, "ReLU is not a Module subclass", do="ReLU(...)")
def _(watch):
    nn.Sequential(nn.Linear(2, 2), nn.ReLU)


@mistake("a module is made where it should be called", AttributeError, "'ReLU' object has no attribute 'sum'",
         do="ReLU(...)(x)")
def _(watch):
    nn.ReLU(rg.ones(1, 2)).sum()


@mistake("a tensor is assigned to a parameter", TypeError, "as parameter 'weight'", do="nn.Parameter(value)")
def _(watch):
    watch(nn.Linear(2, 2)).weight = rg.zeros(2, 2)


@mistake("a parameter of whole numbers", RuntimeError, "floating point", "int64", do=".float()")
def _(watch):
    nn.Parameter(rg.zeros(3, dtype=rg.int64))


@mistake("a model is converted to whole numbers", TypeError, "floating point", "int64", do="convert the data")
def _(watch):
    watch(nn.Linear(2, 2)).to(rg.int64)


@mistake("a lazy layer is used before it has seen data", ValueError, "uninitialized parameter",
         do="call the module once")
def _(watch):
    nn.LazyLinear(3).weight.sum()


# PyTorch without CUDA raises AssertionError; there is no GPU to leave out here.
@mistake("a model is moved to a GPU", RuntimeError, "'cuda'", "CPU only", do="device='cpu' or leave it out")
def _(watch):
    watch(nn.Linear(2, 2)).to("cuda")


@mistake("a batch is moved to a GPU", RuntimeError, "'cuda'", "CPU only", do="device='cpu' or leave it out")
def _(watch):
    rg.ones(2).cuda()


# -- losses and their targets


@mistake("labels begin at 1", IndexError, "Target 3 is out of bounds", "3 classes", do="subtract 1")
def _(watch):
    F.cross_entropy(rg.rand(3, 3), rg.tensor([1, 2, 3]))


@mistake("a label is outside of the classes", IndexError, "Target 7", "0 to 2", do="an output of 8 classes")
def _(watch):
    F.cross_entropy(rg.rand(2, 3), rg.tensor([0, 7]))


@mistake("labels of -1 stand for nothing", IndexError, "Target -1 is out of bounds", do="ignore_index=-1")
def _(watch):
    F.cross_entropy(rg.rand(2, 3), rg.tensor([0, -1]))


@mistake("labels are floats", RuntimeError, "Long or Byte, but got Float", do=".long()")
def _(watch):
    F.cross_entropy(rg.rand(2, 3), rg.tensor([0.0, 1.0]))


@mistake("labels are one-hot", RuntimeError, "got regrad.int64", "[4] of int64", do="target.argmax(1)")
def _(watch):
    F.cross_entropy(rg.rand(4, 3), F.one_hot(rg.tensor([0, 1, 2, 0])))


@mistake("labels are a column", RuntimeError, "0D or 1D target tensor expected", "[4, 1]", do=".squeeze(1)")
def _(watch):
    F.cross_entropy(rg.rand(4, 3), rg.zeros(4, 1, dtype=rg.int64))


@mistake("labels are an array", TypeError, "'target' must be Tensor, not ndarray", do="rg.as_tensor")
def _(watch):
    F.cross_entropy(rg.rand(4, 3), np.zeros(4, np.int64))


@mistake("scores and labels are swapped", NotImplementedError, "not implemented for 'Long'", do="First come the scores")
def _(watch):
    F.cross_entropy(rg.tensor([1, 2, 0]), rg.rand(3, 3))


@mistake("labels are of another batch", ValueError, "batch_size (4) to match target batch_size (3)", "[4, 3]",
         do="from the same batch")
def _(watch):
    F.cross_entropy(rg.rand(4, 3), rg.tensor([1, 2, 0]))


@mistake("the scores of a sequence have their classes last", RuntimeError,
         "Expected target size [4, 3], got [4, 7]", do="input.movedim(-1, 1)")
def _(watch):
    F.cross_entropy(rg.rand(4, 7, 3), rg.zeros(4, 7, dtype=rg.int64))


@mistake("the weight of a loss counts samples", RuntimeError, "all 3 classes", "[4]", do="each class, not each sample")
def _(watch):
    F.cross_entropy(rg.rand(4, 3), rg.zeros(4, dtype=rg.int64), weight=rg.ones(4))


@mistake("a loss is made from the data", RuntimeError, "one of them is a tensor", do="nn.MSELoss()(input, target)")
def _(watch):
    nn.MSELoss(rg.rand(4), rg.rand(4))


@mistake("probabilities are wanted and logits given", RuntimeError, "between 0 and 1", do="sigmoid")
def _(watch):
    F.binary_cross_entropy(rg.tensor([2.5, -1.0]), rg.tensor([1.0, 0.0]))


@mistake("predictions are a column and targets a row", ValueError, "([4])", "([4, 1])", do="target.view_as(input)")
def _(watch):
    F.binary_cross_entropy_with_logits(rg.rand(4, 1), rg.ones(4))


@mistake("a column minus a row is a square", UserWarning, "([4])", "([4, 1])", "incorrect results",
         do="target.view_as(input)")
def _(watch):
    F.mse_loss(rg.rand(4, 1), rg.rand(4))


@mistake("whole numbers have no squared error", NotImplementedError, "int64", do=".float()")
def _(watch):
    F.mse_loss(rg.ones(4, dtype=rg.int64), rg.ones(4, dtype=rg.int64))


@mistake("a reduction is misnamed", ValueError, "average is not a valid value", do="'none', 'mean' or 'sum'")
def _(watch):
    nn.MSELoss(reduction="average")(rg.rand(4), rg.rand(4))


@mistake("kl_div gets logarithms as its target", UserWarning, "below 0", "nan", do="log_target=True")
def _(watch):
    logp = F.log_softmax(rg.rand(2, 3), 1)
    F.kl_div(logp, logp, reduction="batchmean")


@mistake("a variance is negative", ValueError, "negative", do="softplus")
def _(watch):
    F.gaussian_nll_loss(rg.rand(3), rg.rand(3), -rg.ones(3))


@mistake("CTC is given more time than there is", RuntimeError, "at most 5, but got value 6", do="(T, N, C)")
def _(watch):
    F.ctc_loss(rg.rand(5, 1, 4).log_softmax(2), rg.ones(1, 3, dtype=rg.int64), rg.tensor([6]), rg.tensor([3]))


@mistake("the mean over an empty batch", UserWarning, "mse_loss", "[0, 3] is empty", "nan", do="drop_last=True")
def _(watch):
    F.mse_loss(rg.rand(0, 3), rg.rand(0, 3))


@mistake("a batch whose labels are all ignored", UserWarning, "all 2 targets", "ignore_index=-100",
         do="skip such a batch")
def _(watch):
    F.cross_entropy(rg.rand(2, 3), rg.tensor([-100, -100]))


@mistake("one_hot has too few classes", RuntimeError, "smaller than num_classes, got 3 of 3", do="num_classes=4")
def _(watch):
    F.one_hot(rg.tensor([0, 3]), 3)


# -- gradients


@mistake("a loss of several elements", RuntimeError, "only for scalar outputs", "shape [4]", do=".sum()")
def _(watch):
    model = watch(net())
    F.cross_entropy(model(rg.rand(4, 3)), rg.tensor([0, 1, 0, 1]), reduction="none").backward()


@mistake("backward twice", RuntimeError, "a second time", "SAME_ROOT_TWICE", do="Build the forward again")
def _(watch):
    model = net()
    loss = model(rg.rand(4, 3)).sum()
    loss.backward()
    watch(model)
    loss.backward()


@mistake("a second loss on a trunk that is gone", RuntimeError, "a second time", "SHARED_TRUNK", do="Sum the losses")
def _(watch):
    model = net()
    out = model(rg.rand(4, 3))
    first, second = out.sum(), (out * out).sum()
    first.backward()
    watch(model)
    second.backward()


@mistake("the hidden state of the step before", RuntimeError, "STALE_INPUT", "came in by:    h ", do="h = h.detach()")
def _(watch):
    model, h = nn.RNN(3, 4), rg.zeros(1, 2, 4)
    for _ in range(2):
        watch.seen.clear()
        watch(model)
        out, h = model(rg.rand(5, 2, 3), h)
        out.sum().backward()


@mistake("both states of the step before", RuntimeError, "STALE_INPUT", do="state = rg.graph.detach_tree(state)")
def _(watch):
    model, state = nn.LSTM(3, 4), None
    for _ in range(2):
        watch.seen.clear()
        watch(model)
        out, state = model(rg.rand(5, 2, 3), state)
        out.sum().backward()


@mistake("a step between two backwards", RuntimeError, "modified by an inplace operation", "SGD.step",
         do="after both backward calls")
def _(watch):
    model = net()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    out = model(rg.rand(4, 3))
    first, second = out.sum(), (out * out).sum()
    first.backward(retain_graph=True)
    optimizer.step()
    watch(model)
    watch(optimizer)
    second.backward()


@mistake("an activation is overwritten", RuntimeError, "modified by an inplace operation", "'sigmoid'",
         do="Write out of place")
def _(watch):
    model = watch(net())
    y = model(rg.rand(4, 3)).sigmoid()
    loss = y.sum()
    y += 1
    loss.backward()


@mistake("backward of something that has no gradient", RuntimeError, "does not require grad", do="requires_grad_()")
def _(watch):
    rg.rand(3).sum().backward()


@mistake("a loss computed under no_grad", RuntimeError, "does not have a grad_fn", do="under no_grad")
def _(watch):
    model = watch(net())
    with rg.no_grad():
        loss = model(rg.rand(4, 3)).sum()
    loss.backward()


@mistake("a parameter is written in place", RuntimeError, "a leaf Variable that requires grad", do="with rg.no_grad():")
def _(watch):
    model = watch(nn.Linear(3, 2))
    model.weight += 1


@mistake("one row of a parameter is written in place", RuntimeError, "a view of a leaf", do="with rg.no_grad():")
def _(watch):
    watch(nn.Linear(3, 2)).weight[0] = 0


@mistake("numpy() of what requires grad", RuntimeError, "Can't call numpy()", do="tensor.detach().numpy()")
def _(watch):
    watch(net())(rg.rand(4, 3)).numpy()


@mistake("np.asarray of what requires grad", RuntimeError, "Can't call numpy()", do="tensor.detach().numpy()")
def _(watch):
    np.asarray(watch(net())(rg.rand(4, 3)))


@mistake("whole numbers are to require grad", RuntimeError, "floating point", "int64", do="rg.float32")
def _(watch):
    rg.tensor([1, 2], requires_grad=True)


@mistake("the gradient of a tensor made later", RuntimeError, "appears to not have been used", "input 1",
         do="allow_unused=True")
def _(watch):
    a, b = rg.rand(2, requires_grad=True), rg.rand(2, requires_grad=True)
    rg.autograd.grad((a * 2).sum(), [a, b])


@mistake("a cotangent of another shape", RuntimeError, "has a shape of [3]", "has a shape of [2]",
         do="rg.ones_like(output)")
def _(watch):
    (watch(rg.rand(2, requires_grad=True)) * 2).backward(rg.ones(3))


@mistake("a gradient of another shape is assigned", RuntimeError, "size '[3]'", "size '[2]'", do="sum over")
def _(watch):
    watch(rg.rand(2, requires_grad=True)).grad = rg.ones(3)


@mistake(".grad of a result", UserWarning, "not a leaf", do=".retain_grad()")
def _(watch):
    y = rg.rand(2, requires_grad=True) * 2
    y.sum().backward()
    y.grad  # noqa: B018


@mistake("an attached result is copied deeply", RuntimeError, "deepcopy protocol", do="detach it")
def _(watch):
    copy.deepcopy(rg.rand(2, requires_grad=True) * 2)


@mistake("nan from a division by zero", RuntimeError, "backward() of nan", "made in the forward by 'div'",
         do="Look at what 'div' was given")
def _(watch):
    with rg.autograd.detect_anomaly():
        w = watch(rg.tensor([0.0, 1.0], requires_grad=True))
        (w / w).mean().backward()


@mistake("nan from the derivative of a root", RuntimeError, "'SqrtBackward0' returned nan values in its 0th output",
         "nothing in the forward was nan", do="x.clamp(min=1e-8)")
def _(watch):
    with rg.autograd.detect_anomaly():
        w = watch(rg.tensor([0.0, 1.0], requires_grad=True))
        (w.sqrt() * 0).sum().backward()


WHICH = " batch" if sys.version_info >= (3, 11) else ""  # before, an instruction did not know its place in the line


@mistake("nan in the data", RuntimeError, f"came in with{WHICH}", do="drop the samples that hold nan")
def _(watch):
    model, batch = watch(net()), rg.full((1, 3), NAN)
    with rg.autograd.detect_anomaly():
        model(batch).sum().backward()


@mistake("nan gradients are to be clipped", RuntimeError, "non-finite", "2 of 4", "'1.weight', number 3, '1.bias'",
         do="detect_anomaly()")
def _(watch):
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model(rg.ones(1, 2)).sum().backward()
    for p in model[1].parameters():
        p.grad.fill_(NAN)
    nn.utils.clip_grad_norm_(watch(model).parameters(), 1.0, error_if_nonfinite=True)


@mistake("clip_grad_norm_ gets a spent generator", UserWarning, "empty generator", do="Call model.parameters() anew")
def _(watch):
    parameters = watch(net()).parameters()
    list(parameters)
    nn.utils.clip_grad_norm_(parameters, 1.0)


# -- optimizers and schedules


@mistake("an optimizer gets a spent generator", ValueError, "empty parameter list", do="call model.parameters() anew")
def _(watch):
    parameters = net().parameters()
    sum(p.numel() for p in parameters)
    optim.SGD(parameters, lr=0.1)


@mistake("an optimizer gets nothing", ValueError, "empty parameter list", do="model.parameters()")
def _(watch):
    optim.Adam([])


@mistake("an optimizer gets the model", TypeError, "iterable of Tensors or dicts, but got Sequential",
         do="give model.parameters()")
def _(watch):
    optim.Adam(net())


@mistake("the brackets of parameters() are forgotten", TypeError, "but got method", do="call it")
def _(watch):
    optim.Adam(net().parameters)


@mistake("an optimizer gets a state_dict", TypeError, "but got OrderedDict", do="give model.parameters()")
def _(watch):
    optim.Adam(net().state_dict())


@mistake("an optimizer gets one tensor", TypeError, "but got Parameter", do="put it in a list")
def _(watch):
    optim.Adam(nn.Linear(2, 2).weight)


@mistake("an optimizer gets the generators of two models", TypeError, "one of the params is generator",
         do="[*a.parameters(), *b.parameters()]")
def _(watch):
    optim.Adam([net().parameters(), net().parameters()])


@mistake("an optimizer gets a result", ValueError, "can't optimize a non-leaf Tensor", do=".detach().requires_grad_()")
def _(watch):
    optim.Adam([rg.rand(2, requires_grad=True) * 2])


@mistake("a negative learning rate", ValueError, "Invalid learning rate: -0.1", do="1e-3")
def _(watch):
    optim.SGD(net().parameters(), lr=-0.1)


@mistake("a learning rate that was read from a file", TypeError, "should be a number", do="but got '0.1'")
def _(watch):
    optim.SGD(net().parameters(), lr="0.1")


@mistake("a beta of 1", ValueError, "Invalid beta parameter at index 1: 1.0", do="less than 1")
def _(watch):
    optim.Adam(net().parameters(), betas=(0.9, 1.0))


@mistake("one beta for two", TypeError, "got 0.9", do="(0.9, 0.999)")
def _(watch):
    optim.Adam(net().parameters(), betas=0.9)


@mistake("Nesterov without momentum", ValueError, "requires a momentum and zero dampening", do="momentum=0.9")
def _(watch):
    optim.SGD(net().parameters(), lr=0.1, nesterov=True)


@mistake("a parameter in two groups", ValueError, "more than one parameter group", do="out of the other groups")
def _(watch):
    model = net()
    optim.SGD([{"params": model.parameters()}, {"params": model[0].parameters(), "lr": 1.0}], lr=0.1)


@mistake("a parameter twice in a group", UserWarning, "duplicate parameters", do="give each once")
def _(watch):
    model = net()
    optim.SGD([*model.parameters(), model[0].weight], lr=0.1)


@mistake("a group without its key", KeyError, "params", do="{'params': [w, b], 'lr': 0.1}")
def _(watch):
    optim.SGD([{"param": net().parameters()}], lr=0.1)


@mistake("step gets the loss", TypeError, "'Tensor' object is not callable", do="call loss.backward() and then step()")
def _(watch):
    model = watch(net())
    watch(stepped(net(), optim.SGD)).step(model(rg.ones(1, 3)).sum())


@mistake("LBFGS without a closure", TypeError, "closure", do="computes the loss, calls backward and returns the loss")
def _(watch):
    watch(optim.LBFGS(watch(net()).parameters())).step()


@mistake("a closure that returns nothing", TypeError, "not None", do="return loss")
def _(watch):
    model = watch(net())
    optim.LBFGS(model.parameters()).step(lambda: None)


@mistake("an optimizer is loaded for another model", ValueError, "group 0 has 2 parameters, this optimizer's 4",
         do="saved for another model")
def _(watch):
    saved = stepped(nn.Linear(3, 2)).state_dict()
    watch(stepped(net())).load_state_dict(saved)


@mistake("an optimizer is loaded for a model of other sizes", (RuntimeError, ValueError), "'exp_avg' of parameter 0",
         "(2, 3)", do="for this parameter it is (2, 5)")
def _(watch):
    saved = stepped(nn.Linear(3, 2)).state_dict()
    watch(stepped(nn.Linear(5, 2), width=5)).load_state_dict(saved)


@mistake("the weights are loaded into the optimizer", KeyError, "param_groups", "0.weight", do="optimizer.state_dict()")
def _(watch):
    model = net()
    watch(stepped(model)).load_state_dict(model.state_dict())


@mistake("the schedule steps before the optimizer", UserWarning, "`lr_scheduler.step()` before `optimizer.step()`",
         do="in the opposite order")
def _(watch):
    optimizer = optim.SGD(net().parameters(), lr=0.1)
    watch(lr_scheduler.StepLR(optimizer, 1)).step()


@mistake("OneCycleLR goes too far", ValueError, "Tried to step 3 times", "is 2", do="epochs * len(loader)")
def _(watch):
    optimizer = optim.SGD(net().parameters(), lr=0.1)
    schedule = lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=2)
    for _ in range(3):
        watch.seen.clear()
        optimizer.step()
        watch(optimizer)
        watch(schedule).step()


@mistake("OneCycleLR does not know the steps", ValueError, "total_steps OR", do="steps_per_epoch=len(loader)")
def _(watch):
    lr_scheduler.OneCycleLR(watch(optim.SGD(net().parameters(), lr=0.1)), 0.1)


@mistake("ReduceLROnPlateau does not know the loss", TypeError, "'metrics'", do="scheduler.step(val_loss)")
def _(watch):
    optimizer = stepped(net())
    watch(lr_scheduler.ReduceLROnPlateau(optimizer)).step()


@mistake("StepLR gets the loss", UserWarning, "The epoch parameter in `scheduler.step()`", do="ReduceLROnPlateau")
def _(watch):
    optimizer = optim.SGD(net().parameters(), lr=0.1)
    schedule = lr_scheduler.StepLR(optimizer, 1)
    optimizer.step()
    watch(schedule).step(0.5)


@mistake("a schedule of the model", TypeError, "Sequential is not an Optimizer", do="SGD(model.parameters(), lr=0.1)")
def _(watch):
    lr_scheduler.StepLR(net(), 1)


@mistake("a schedule resumes without the optimizer's state", KeyError, "'initial_lr'", do="load the optimizer's state")
def _(watch):
    lr_scheduler.StepLR(watch(optim.SGD(net().parameters(), lr=0.1)), 1, last_epoch=5)


# -- weights and files


@mistake("the keys of a state_dict have a prefix", RuntimeError, 'Missing key(s) in state_dict: "0.weight"',
         '"module.0.weight"', "nothing has been changed", do="k.removeprefix('module.')")
def _(watch):
    model = watch(net())
    model.load_state_dict({f"module.{k}": v for k, v in net().state_dict().items()})


@mistake("the weights are of another size", RuntimeError, "size mismatch for weight", "[2, 3]", "[2, 2]",
         do="build the model with the sizes")
def _(watch):
    watch(nn.Linear(2, 2)).load_state_dict(nn.Linear(3, 2).state_dict())


@mistake("a whole checkpoint is loaded as weights", RuntimeError, 'Unexpected key(s) in state_dict: "model", "epoch"',
         do="checkpoint['model']")
def _(watch):
    watch(net()).load_state_dict({"model": net().state_dict(), "epoch": 3})


@mistake("the optimizer is loaded into the model", RuntimeError, '"param_groups"', do="optimizer.load_state_dict")
def _(watch):
    watch(net()).load_state_dict(stepped(net()).state_dict())


@mistake("a weight is missing and one is too many", RuntimeError, 'Missing key(s) in state_dict: "bias"', '"gamma"',
         do="strict=False")
def _(watch):
    watch(nn.Linear(2, 2)).load_state_dict({"weight": rg.zeros(2, 2), "gamma": rg.zeros(2)})


@mistake("weights are arrays", RuntimeError, 'the parameter named "weight"', "numpy.ndarray", do="rg.as_tensor")
def _(watch):
    watch(nn.Linear(2, 2)).load_state_dict({"weight": np.zeros((2, 2)), "bias": np.zeros(2)})


@mistake("a path is loaded as weights", TypeError, "dict-like, got <class 'str'>", do="rg.load(path)")
def _(watch):
    watch(net()).load_state_dict("model.safetensors")


@mistake("the brackets of state_dict() are forgotten", TypeError, "got <class 'method'>", do="state_dict()")
def _(watch):
    watch(net()).load_state_dict(net().state_dict)


@mistake("a module is saved", TypeError, 'obj["model"]', "Sequential", do='store obj["model"].state_dict()')
def _(watch):
    watch(Path.cwd())
    rg.save({"epoch": 3, "model": net()}, "checkpoint.safetensors")


@mistake("a loss is saved with its graph", RuntimeError, 'obj["loss"] is attached to its graph',
         do='obj["loss"].detach()')
def _(watch):
    watch(Path.cwd())
    rg.save({"loss": watch(net())(rg.rand(1, 3)).sum()}, "checkpoint.safetensors")


@mistake("a file is cut short", RuntimeError, "104 bytes", "holds 94", do="fetch it again")
def _(watch):
    rg.save(net().state_dict(), "model.safetensors")
    Path("cut.safetensors").write_bytes(Path("model.safetensors").read_bytes()[:-10])
    watch(Path.cwd())
    watch(net()).load_state_dict(rg.load("cut.safetensors"))


@mistake("a file of PyTorch's is loaded", RuntimeError, "model.pt", do="safetensors.torch.save_file")
def _(watch):
    Path("model.pt").write_bytes(b"PK\x03\x04" + bytes(100))
    watch(net()).load_state_dict(rg.load("model.pt"))


@mistake("a file is not there", FileNotFoundError, "nowhere.safetensors", do="here.safetensors")
def _(watch):
    Path("here.safetensors").touch()
    rg.load("nowhere.safetensors")


# -- data sets and loaders


@mistake("batches of 0", ValueError, "positive integer value, but got batch_size=0", do="1 or more")
def _(watch):
    DataLoader(Samples(1, 2), batch_size=0)


@mistake("samples of different shapes", RuntimeError, "[3] at entry 0 and [4] at entry 1", "index 1 of the dataset",
         do="pad_sequence")
def _(watch):
    list(DataLoader(Samples(rg.ones(3), rg.ones(4)), batch_size=2))


@mistake("lists of different lengths", RuntimeError, "equal size", "2 parts and sample 1 has 3", do="collate_fn")
def _(watch):
    list(DataLoader(Samples([1, 2], [1, 2, 3]), batch_size=2))


@mistake("a sample is None", TypeError, "NoneType", "index 1 of the dataset",
         do="every branch of the dataset's __getitem__")
def _(watch):
    list(DataLoader(Samples(rg.ones(2), None), batch_size=2))


@mistake("a sample of one's own class", TypeError, "found <class 'object'>", do="pass a collate_fn")
def _(watch):
    default_collate([object(), object()])


@mistake("a sample lacks a key", KeyError, "sample 0 has the key 'y', sample 1 has not", do="the same keys")
def _(watch):
    list(DataLoader(Samples({"x": 1, "y": 2}, {"x": 1}), batch_size=2))


@mistake("a data set without __len__", TypeError, "object of type 'Squares' has no len()", do="define __len__")
def _(watch):
    class Squares(Dataset):
        def __getitem__(self, index):
            return index * index

    next(iter(DataLoader(Squares())))


@mistake("a data set without __getitem__", NotImplementedError, "should implement __getitem__", do="Three does not")
def _(watch):
    class Three(Dataset):
        def __len__(self):
            return 3

    next(iter(DataLoader(Three())))


@mistake("an empty data set is shuffled", ValueError, "num_samples=0", "is empty", do="how it finds its samples")
def _(watch):
    DataLoader(Samples(), shuffle=True)


@mistake("a stream is shuffled", ValueError, "IterableDataset", "shuffle=True", do="by its __iter__")
def _(watch):
    class Stream(IterableDataset):
        def __iter__(self):
            return iter([1])

    DataLoader(Stream(), shuffle=True)


@mistake("a sampler and shuffle", ValueError, "mutually exclusive with shuffle", do="leave shuffle out")
def _(watch):
    DataLoader(Samples(1), shuffle=True, sampler=[0])


@mistake("inputs and labels differ in number", AssertionError, "Size mismatch", "3, 4", do="one entry for every sample")
def _(watch):
    TensorDataset(rg.ones(3, 2), rg.ones(4))


@mistake("the parts of a split do not add up", ValueError, "Sum of input lengths", "2, the dataset has 3",
         do="add up to 1")
def _(watch):
    random_split(Samples(1, 2, 3), [1, 1])


# -- tensors


@mistake("a comparison of tensors in an if", RuntimeError, "more than one value is ambiguous", do=".any() or .all()")
def _(watch):
    if rg.rand(3) > 0.5:
        raise AssertionError


@mistake("item() of several elements", RuntimeError, "3 elements cannot be converted to Scalar", do=".mean()")
def _(watch):
    rg.rand(3).item()


@mistake("several elements in a format", TypeError, "Tensor.__format__", "[3]", do="t.tolist()")
def _(watch):
    format(rg.rand(3), ".3f")


@mistake("rows of different lengths", ValueError, "expected sequence of length 2 at dim 1 (got 1)", do="pad_sequence")
def _(watch):
    rg.tensor([[1, 2], [3]])


@mistake("a tensor of tensors", ValueError, "only one element tensors", do="rg.stack")
def _(watch):
    rg.tensor([rg.rand(2), rg.rand(2)])


@mistake("strings as labels", TypeError, "str", "float32", do="array.astype(np.float64)")
def _(watch):
    rg.tensor(np.array(["cat", "dog"]))


@mistake("matrices the wrong way round", RuntimeError, "cannot be multiplied (2x3 and 2x3)", do="did you mean b.mT?")
def _(watch):
    rg.ones(2, 3) @ rg.ones(2, 3)


@mistake("a view of a transpose", RuntimeError, "[3, 2] with strides [1, 3]", do="Use .reshape(...)")
def _(watch):
    rg.ones(2, 3).t().view(-1)


@mistake("a view to a size that does not divide", RuntimeError, "'[-1, 4]' is invalid for input of size 6",
         do="6 is no multiple of 4")
def _(watch):
    rg.ones(2, 3).view(-1, 4)


@mistake("the mean of whole numbers", RuntimeError, "floating point", "Long", do=".float()")
def _(watch):
    rg.ones(3, dtype=rg.int64).mean()


@mistake("floats as an index", IndexError, "long, int, byte or bool", "float32", do=".long()")
def _(watch):
    rg.ones(2, 3)[rg.tensor([0.0, 1.0])]


@mistake("logits are drawn from", RuntimeError, "`inf`, `nan` or element < 0", do="softmax")
def _(watch):
    rg.multinomial(rg.tensor([-0.5, 1.5]), 1)


# -- weights before training


@mistake("xavier for a bias", ValueError, "fewer than 2 dimensions", "[3]", do="zeros_")
def _(watch):
    nn.init.xavier_uniform_(watch(rg.zeros(3)))


@mistake("the gain of an activation that has none", ValueError, "Unsupported nonlinearity gelu", do="known are")
def _(watch):
    nn.init.calculate_gain("gelu")


@mistake("weight_norm of a missing name", ValueError, "with name 'wieght'", do="['weight', 'bias']")
def _(watch):
    nn.utils.parametrizations.weight_norm(watch(nn.Linear(2, 2)), "wieght")


@mistake("more than everything is pruned", ValueError, "amount=1.5", "[0, 1]", do="the share of the elements")
def _(watch):
    nn.utils.prune.random_unstructured(watch(nn.Linear(2, 2)), "weight", amount=1.5)


@pytest.mark.parametrize(("make", "kind", "told", "do"), MISTAKES)
def test_a_mistake_is_told_with_what_to_do_and_changes_nothing(make, kind, told, do, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    watch = Watch()
    with pytest.raises(kind) as caught:
        make(watch)
    watch.compare()
    text = caught.value.args[0] if isinstance(caught.value, KeyError) else str(caught.value)
    for part in (*told, do):
        assert part in text


def test_the_table_is_of_builtin_errors_and_has_each_mistake_once():
    kinds = {kind for p in MISTAKES for kind in (p.values[1] if isinstance(p.values[1], tuple) else (p.values[1],))}
    assert {kind for kind in kinds if vars(builtins).get(kind.__name__) is not kind} == set()
    assert len(MISTAKES) == len({p.id for p in MISTAKES}) >= 80


def test_the_watch_sees_what_changes(tmp_path):
    model = net()
    optimizer = stepped(model)
    schedule = lr_scheduler.StepLR(optimizer, 1)
    optimizer.step()
    changes = [
        (model, lambda: model[0].bias.grad.zero_()),
        (model, model.eval),
        (optimizer, lambda: optimizer.state[model[0].weight]["exp_avg"].zero_()),
        (optimizer, model[2].weight.data.zero_),
        (schedule, schedule.step),
        (model[0].weight, model.zero_grad),
        (tmp_path, (tmp_path / "file").touch),
    ]
    for thing, change in changes:
        watch = Watch()
        watch(thing)
        watch.compare()
        change()
        with pytest.raises(AssertionError):
            watch.compare()
