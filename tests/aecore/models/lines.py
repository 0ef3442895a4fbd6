"""Lines of layers, legal or not, that hypothesis draws."""

from hypothesis import strategies as st

from aecore.models.layers import LAYERS

WORDS = (
    *("conv3", "conv8", "conv32:s2", "conv16:k5", "conv3:k1:sigmoid", "conv8:linear", "deconv8", "deconv3:k4:linear"),
    *("pool", "pool4", "pool64", "avgpool", "up", "up4", "up64", "bn", "gn", "gn4", "dropout", "act:gelu", "sparsity"),
    *("flatten", "reshape3x32x32", "reshape8x16x16", "reshape3x32", "dense100", "dense3072", "dense99999999"),
    *("skip", "skip", "add", "concat", "conv2048", "conv999999999", "conv999999999999"),
    *("con32", "Conv2d(16)", "maxpool2", "relu", "conv", "dense", "conv0", "conv3:k0", "conv3:q5", "conv3:sigmod"),
    *("conv3:k3:k5", "conv3:relu:gelu", "deconv3:k2:s3", "dropout1.5", "", " ", "🦊", "²", "x" * 90, "\udc80"),
)
PIECES = (
    *LAYERS,
    *("|", " | ", ":", "x", ".", "1", "2", "3", "9", "32", "999999999", "k", "k64", "s2", "s64", "relu", ":sigmoid"),
    *("1x1x1", "3x32x32", "9x9x9", "999999999x999999999x9", "²", "٣", "\u2028", "\x00"),
)
PICTURES = ("1x28x28", "3x32x32", "3x32", "0x3x3", "9999x9999x9999", "²x2x2", "1x1x2000", "2")


@st.composite
def lines(draw: st.DrawFn, most: int) -> str:
    """Some layers after the shape of the pictures, which is seldom given."""
    words = draw(st.lists(st.sampled_from(WORDS), max_size=most))
    picture = draw(st.sampled_from([None, None, None, *PICTURES]))
    return draw(st.sampled_from([" | ", "|", "  |\t"])).join([*([] if picture is None else [picture]), *words])


def texts(most: int = 12) -> st.SearchStrategy[str]:
    """Lines of at most so many layers, what resembles one, and any text at all."""
    return lines(most) | st.lists(st.sampled_from(PIECES), max_size=3 * most).map("".join) | st.text(max_size=60)
