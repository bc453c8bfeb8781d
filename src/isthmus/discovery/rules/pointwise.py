"""Elementwise functions of one tensor (mathematics.md 4.1): which scales and signs pass."""

from __future__ import annotations

from fractions import Fraction

from isthmus.algebra.reps import Absorbed
from isthmus.discovery.nodes import Terms
from isthmus.discovery.program import Program
from isthmus.discovery.rules.table import Call, rule
from isthmus.discovery.tensor import Tensor

LINEAR = (
    "neg", "dropout", "alpha_dropout", "feature_dropout", "native_dropout", "clone",
    "contiguous", "to", "_to_copy", "type_as", "alias", "detach", "lift_fresh_copy", "positive",
    "float", "double", "half", "requires_grad", "detach_",
)  # fmt: skip
"""Functions with f(gx) = g f(x) for every linear g."""

ODD = (
    "tanh", "erf", "atan", "arctan", "asinh", "sinh", "sin", "tan", "asin", "atanh", "softshrink",
    "hardshrink", "tanhshrink", "round", "trunc",
)  # fmt: skip
"""f(-x) = -f(x), and nothing more."""

EVEN = ("cos", "cosh", "sinc")
"""f(-x) = f(x), and nothing more."""

POWERS = {
    "relu": (1, 1, None), "leaky_relu": (1, 1, None), "abs": (1, 1, False),
    "absolute": (1, 1, False), "square": (2, 1, False), "sqrt": (1, 2, None),
    "rsqrt": (-1, 2, None), "reciprocal": (-1, 1, True), "sign": (0, 1, True), "sgn": (0, 1, True),
}  # fmt: skip
"""Homogeneous functions: degree as a fraction; odd (True), even (False) or neither (None)."""


@rule(*LINEAR)
def linear(call: Call) -> Tensor:
    """Nothing is forbidden."""
    x = _argument(call)
    if x.dtype.is_floating_point and not call.op.shapes[0].dtype.is_floating_point:
        return general(call)  # a cast to integers or truth values rounds
    return call.make(x.axes)


@rule("copy")
def copy(call: Call) -> Tensor:
    """What ``copy_`` writes into a tensor takes its place; only its shape and dtype stay."""
    from isthmus.discovery.rules.broadcast import sum_of

    source, shape = call.tensor("src"), call.op.shapes[0]
    place = call.typing.filled(Tensor(call.typing.inert(shape).axes, shape.dtype, fill=0.0))
    written = call.make(sum_of(call.typing, source, place))
    if source.dtype.is_floating_point and not shape.dtype.is_floating_point:
        return permuting(call, written)
    return written


GENERAL = (
    "gelu", "silu", "softplus", "mish", "elu", "selu", "celu", "hardswish",
    "hardsigmoid", "log_sigmoid", "logsigmoid", "relu6", "exp", "exp2", "expm1", "log", "log2",
    "log10", "log1p", "erfc", "logit", "acos", "acosh", "threshold", "rrelu", "floor", "ceil",
)  # fmt: skip
"""Functions that keep neither scales nor signs."""


def _argument(call: Call) -> Tensor:
    return call.tensor("self" if "self" in call.op.arguments else "input")


@rule(*GENERAL)
def general(call: Call) -> Tensor:
    """A function of which nothing is known (GELU, SiLU, softplus, …): permutations only."""
    return permuting(call, _argument(call))


def permuting(call: Call, x: Tensor) -> Tensor:
    """Permutations of every axis pass, nothing else does."""
    call.typing.commute(x)
    for axis in x.axes:
        call.typing.still(axis)
    return call.make(x.axes)


@rule("sigmoid")
def sigmoid(call: Call) -> Tensor:
    """σ(-z) = 1 - σ(z): signs pass where the constant that they leave can be absorbed.

    That is where everything that reads the result is a linear layer with a bias of its own
    (mathematics.md 4.1); elsewhere permutations alone.
    """
    x = _argument(call)
    takers = absorbers(call.program, call.op.outputs[0])
    if not takers:
        return permuting(call, x)
    call.typing.commute(x)
    for axis in x.axes:
        call.typing.unscaled(axis)
    for axis in x.axes[:-1]:
        call.typing.unflipped(axis)
    for bias, weight in takers:
        call.typing.absorbed.setdefault(bias, []).append(Absorbed(0.5, weight))
    return call.make(x.axes)


def absorbers(program: Program, name: str) -> list[tuple[str, str]]:
    """(bias, weight) of the linear layers that read a tensor; empty if anything else does."""
    if name in program.outputs:
        return []
    found: list[tuple[str, str]] = []
    for op in program.readers.get(name, ()):
        if op.target in ("dropout", "clone", "contiguous"):
            inner = absorbers(program, op.outputs[0])
            if not inner:
                return []
            found += inner
            continue
        names = [
            program.parameters.get(getattr(op.arguments.get(k), "name", ""), "")
            for k in ("bias", "weight")
        ]
        reads = op.arguments.get("input")
        if op.target != "linear" or not all(names) or getattr(reads, "name", "") != name:
            return []
        if program.uses(names[0]) != 1:
            return []
        found.append((names[0], names[1]))
    return found


@rule(*ODD)
def odd(call: Call) -> Tensor:
    """Signs pass, scales do not."""
    x = _argument(call)
    call.typing.commute(x)
    for axis in x.axes:
        call.typing.unscaled(axis)
    return call.make(x.axes)


@rule(*EVEN)
def even(call: Call) -> Tensor:
    """Signs are swallowed, scales do not pass."""
    x = _argument(call)
    call.typing.commute(x)
    return call.make([_power(call, axis, 0, 1, odd=False) for axis in _unscaled(call, x)])


def _unscaled(call: Call, x: Tensor) -> list[Terms]:
    for axis in x.axes:
        call.typing.unscaled(axis)
    return x.axes


def _power(call: Call, axis: Terms, top: int, bottom: int, *, odd: bool | None) -> Terms:
    return call.typing.power(axis, top, bottom, odd=odd)


@rule(*POWERS)
def power(call: Call) -> Tensor:
    """f(cx) = c^k f(x) for c > 0."""
    x = _argument(call)
    call.typing.commute(x)
    top, bottom, parity = POWERS[call.op.target.rstrip("_")]
    if (top, bottom, parity) == (1, 1, None):
        for axis in x.axes:
            call.typing.unflipped(axis)
        return call.make(x.axes)
    return call.make([_power(call, axis, top, bottom, odd=parity) for axis in x.axes])


@rule("pow")
def pow_(call: Call) -> Tensor:
    """x^k for a number k: integer powers keep or lose signs; a tensor exponent keeps nothing."""
    exponent = call.op.arguments["exponent"]
    if not isinstance(exponent, (int, float)) or not hasattr(call.op.arguments["self"], "name"):
        return unknown_power(call)
    x = call.tensor("self")
    call.typing.commute(x)
    whole = float(exponent).is_integer()
    parity = (int(exponent) % 2 == 1) if whole else None
    ratio = Fraction(exponent).limit_denominator(60)
    if float(ratio) != float(exponent):
        return general(call)  # no fraction that a person would write: scales are not followed
    top, bottom = ratio.as_integer_ratio()
    return call.make([_power(call, axis, top, bottom, odd=parity) for axis in x.axes])


def unknown_power(call: Call) -> Tensor:
    """A base or exponent that is a tensor."""
    from isthmus.discovery.rules.broadcast import sum_of

    tensors = [call.tensor(n) for n in ("self", "exponent") if call.optional(n) is not None]
    for tensor in tensors:
        call.typing.commute(tensor)
        for axis in tensor.axes:
            call.typing.still(axis)
    if len(tensors) == 1:
        return call.make(tensors[0].axes)
    return call.make(sum_of(call.typing, *tensors))


@rule("softmax", "log_softmax", "_softmax", "_log_softmax", "_safe_softmax")
def softmax(call: Call) -> Tensor:
    """Permutations along every axis; no scale and no sign."""
    x = _argument(call)
    call.typing.mixed(x.axes, [call.dim("dim", len(x.axes))])
    return permuting(call, x)


@rule("glu")
def glu(call: Call) -> Tensor:
    """The first half times the sigmoid of the second."""
    typing, x = call.typing, call.tensor("self")
    dim = call.dim("dim", len(x.axes))
    half = call.sizes[dim]
    value = typing.cut(x.axes, dim, 0, half)
    gate = typing.cut(x.axes, dim, half, 2 * half)
    out = []
    for a, b in zip(value, gate, strict=True):
        typing.restrict(b)
        typing.still(b)
        out.append(typing.blend(a, b))
    return call.make(out)
