"""Deep Inception-ResNet (Hasani & Mahoor 2017): 5 blocks A, 10 B and 5 C, otherwise as the shallow one."""

from __future__ import annotations

from typing import Any

from convert.networks.inception_resnet import inception_resnet

BLOCKS = (5, 10, 5)


def deep_inception_resnet(input_size: int, width: float = 1.0) -> Any:
    """From pictures to features; see `inception_resnet`.

    Args:
        input_size: side of the picture, pixels; the paper's is 299.
        width: channels relative to the paper's.
    """
    return inception_resnet(input_size, width, BLOCKS, "deep_inception_resnet")
