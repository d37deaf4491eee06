"""Shallow Inception-ResNet (Hasani & Mahoor 2017): one block each of A, B and C. The network of the shipped bundle."""

from __future__ import annotations

from typing import Any

from convert.networks.inception_resnet import inception_resnet

BLOCKS = (1, 1, 1)


def shallow_inception_resnet(input_size: int, width: float = 1.0) -> Any:
    """From pictures to features; see `inception_resnet`.

    Args:
        input_size: side of the picture, pixels; the paper's is 299.
        width: channels relative to the paper's.
    """
    return inception_resnet(input_size, width, BLOCKS, "shallow_inception_resnet")
