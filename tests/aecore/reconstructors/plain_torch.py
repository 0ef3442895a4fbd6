"""An autoencoder that nothing of aecore has made, and its ONNX file."""

import torch
from torch import nn


def plain_autoencoder() -> tuple[nn.Module, bytes]:
    """Untrained, but for what the seed gives; the file takes pictures of any even height and width."""
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(), nn.ConvTranspose2d(8, 3, 2, stride=2), nn.Sigmoid()
    ).eval()
    sizes = {0: torch.export.Dim("n"), 2: 2 * torch.export.Dim("h"), 3: 2 * torch.export.Dim("w")}
    program = torch.onnx.export(
        module, (torch.rand(2, 3, 32, 32),), dynamo=True, dynamic_shapes=(sizes,), verbose=False
    )
    assert program is not None
    return module, program.model_proto.SerializeToString()
