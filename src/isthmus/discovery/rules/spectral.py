"""Complex numbers and Fourier transforms: real scales, signs and permutations commute with both."""

from __future__ import annotations

from isthmus.discovery.rules.broadcast import product_of, sum_of
from isthmus.discovery.rules.pointwise import permuting
from isthmus.discovery.rules.table import Call, rule
from isthmus.discovery.tensor import Tensor


@rule("view_as_complex")
def view_as_complex(call: Call) -> Tensor:
    """The last axis tells real from imaginary parts: its two positions are fixed."""
    x = call.tensor("self")
    call.typing.pin(x.axes[-1])
    return call.make(x.axes[:-1])


@rule("view_as_real")
def view_as_real(call: Call) -> Tensor:
    """The inverse of `view_as_complex`."""
    return call.make([*call.tensor("self").axes, call.typing.constant(2)])


@rule("real", "imag", "conj", "_conj", "conj_physical", "_conj_physical", "resolve_conj",
      "resolve_neg", "_neg_view")  # fmt: skip
def part(call: Call) -> Tensor:
    """Linear over the reals."""
    return call.make(call.tensor("self").axes)


@rule("complex")
def together(call: Call) -> Tensor:
    """a + ib: both parts have the same coordinates and units."""
    return call.make(sum_of(call.typing, call.tensor("real"), call.tensor("imag")))


@rule("polar")
def polar(call: Call) -> Tensor:
    """r (cos φ + i sin φ), linear in r."""
    angle = permuting(call, call.tensor("angle"))
    return call.make(product_of(call.typing, call.tensor("abs"), angle))


@rule("angle")
def angle(call: Call) -> Tensor:
    """The argument does not feel positive scales; a sign turns it."""
    x = call.tensor("self")
    call.typing.commute(x)
    return call.make([call.typing.power(axis, 0, 1, odd=None) for axis in x.axes])


@rule("_fft_r2c", "_fft_c2r", "_fft_c2c")
def fourier(call: Call) -> Tensor:
    """Linear; the transformed axes are positions and frequencies, which are fixed."""
    typing, x = call.typing, call.tensor("self")
    gone = {int(d) % len(x.axes) for d in call.op.arguments["dim"]}
    for d in gone:
        typing.pin(x.axes[d])
    return call.make(
        [typing.constant(call.sizes[d]) if d in gone else axis for d, axis in enumerate(x.axes)]
    )
