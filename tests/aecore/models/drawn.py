"""Architectures that hypothesis draws."""

from math import prod

from hypothesis import strategies as st

from aecore.models.architecture import Architecture


@st.composite
def autoencoders(draw: st.DrawFn) -> Architecture:
    """Shrink a picture step by step, perhaps mix it in dense layers, and enlarge it by the same factors."""
    channels = draw(st.integers(1, 3))
    factors = draw(st.lists(st.sampled_from([2, 3]), max_size=3))
    height, width = (draw(st.integers(1, 4)) * prod(factors) for _ in range(2))
    if draw(st.booleans()) and factors.count(3) == 0:
        channels, height, width = 3, 32, 32
    words = [f"{channels}x{height}x{width}"]
    between = st.lists(
        st.sampled_from(["bn", "dropout0.25", "act:gelu", "conv3:k2", "conv4:k5:tanh", "conv4 | gn2"]), max_size=2
    )
    numbers = st.integers(1, 4)
    for factor in factors:
        words += draw(between)
        shrink = ["pool{0}", "avgpool{0}", "conv{1}:s{0}", "conv{1}:k{0}:s{0}:linear"]
        words.append(draw(st.sampled_from(shrink)).format(factor, draw(numbers)))
    words.append("conv2")
    if draw(st.booleans()):
        inner = (2, height // prod(factors), width // prod(factors))
        words += ["flatten", f"dense{draw(numbers)}", *draw(st.sampled_from([[], ["bn"], ["dropout"]]))]
        words += [f"dense{prod(inner)}:silu", "reshape" + "x".join(map(str, inner))]
    for factor in reversed(factors):
        enlarge = ["up{0}", "up{0}:bilinear", "deconv{1}:k{2}:s{0}"]
        words.append(draw(st.sampled_from(enlarge)).format(factor, draw(numbers), factor + draw(st.integers(0, 2))))
        words += draw(between)
    words.append(f"conv{channels}:k1:{draw(st.sampled_from(['sigmoid', 'linear']))}")
    return Architecture.parse(" | ".join(words))
