"""What each network costs, beside what its paper says: counted in the graphs that a device would run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from convert.networks.cost import count_macs, count_parameters
from convert.package.golden import draw_images
from convert.quantize.export import export_backbone, export_head
from convert.train.recipe import LSTM_NETWORK, BackboneRecipe, Recipe

_CALIBRATION = 2  # pictures: neither size nor operations depend on them

PAPER = {
    "shallow": "one module each of Inception-ResNet A, B and C",
    "deep": "5 × A, 10 × B, 5 × C",
    LSTM_NETWORK: "Inception-ResNet, then LSTM over the frames",
}
OURS = {
    "shallow": "1 × A, 1 × B, 1 × C",
    "deep": "5 × A, 10 × B, 5 × C",
    LSTM_NETWORK: "1 × A, 1 × B, 1 × C; LSTM of {units} units, in float32",
}

_PAGE = """\
# The networks

Written by `python -m convert networks --write docs/networks.md`: every figure is counted in graphs that this command
built, quantized and exported, with random weights. `train --network NAME` takes one of them, or one of your own.

{table}

Parameters and MACs (multiply-accumulates for one face, one step) are those of the exported graph: batch normalization
is folded into the convolutions, and the auxiliary output is left out. KB are 1000 bytes. `lstm` counts both of its
graphs, the int8 backbone and the float32 step. Random weights have biases of zero, which a graph stores once: a trained
network's graph is a little larger. The shipped bundle, 773 KB, is `shallow` at 112 px and width 0.25; the paper's input
is 299 px, its width 1. Above about 6.9 MB a Coral Edge TPU no longer keeps the parameters on the chip.

## Where they come from, and what is our own choice

B. Hasani and M. H. Mahoor, "Facial Affect Estimation in the Wild Using Deep Residual and Convolutional Networks", CVPR
workshops 2017 (arXiv 1705.07884). What is marked † is not in the paper's abstract, which is all of it that we could
check: blocks and input are taken over from descriptions of the paper, and everything else is ours or Szegedy et al.'s
("Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning", AAAI 2017). So these are networks
after the paper's design, not a reproduction of its figures; we know of no published code or weights.

| what | here | from |
|---|---|---|
| outputs | valence and arousal, both for each frame | the paper |
| modules | Inception-ResNet, in a shallow, a deep and an LSTM variant | the paper |
| blocks | 1·1·1 and 5·10·5 of A·B·C † | descriptions of the paper |
| input | 299 × 299 RGB at width 1 †; any size from 32 to 512 px | descriptions of the paper |
| stem | Inception-ResNet-v2's †, with `same` padding instead of `valid` | Szegedy et al.; padding ours |
| block A | 32; 32, 32; 32, 48, 64 channels † | Szegedy et al., v2 |
| block B | 192; 128, 160 (1 × 7), 192 (7 × 1) † | Szegedy et al., v2 |
| block C | 192; 192, 224 (1 × 3), 256 (3 × 1) † | Szegedy et al., v2 |
| reduction A | 384; 192, 192, 256; pooling † | Szegedy et al., v1 |
| reduction B | 256, 384; 256, 288; 256, 288, 320; pooling † | Szegedy et al., v2 |
| width | all channels times a factor, to multiples of 4, at least 4 † | ours |
| residual scale | 0.17, 0.10, 0.20 for A, B, C †, where the batch normalization's gamma starts | ours, see below |
| activation | ReLU6 instead of ReLU † | ours |
| after the blocks | mean over the picture, dropout in training, a linear embedding, a linear answer † | ours |
| auxiliary output | blendshapes, in training only † | ours |
| LSTM network | shallow network, one LSTM layer, cell clipped; answer added to the picture's linear readout † | ours |
| its training | end to end, sequences of the recipe's `truncate` steps from a zero state † | ours in length |
| losses | 1 − CCC plus twice the squared error † | ours |

A residual scale that is multiplied, as Szegedy et al. write it, leaves float operators in an int8 graph that was
trained for int8; in the gamma it starts at the same value and costs nothing. ReLU6 bounds what int8 must span.

## A network of your own

`python -m convert train --network module:function --out out/mine`, then `quantize` and `pack` as for any run. The
function is called as `function(input_size, width=width)` and returns a `tf_keras` model from pictures float32
(B, S, S, 3), RGB in −1..1, to features (B, F) or a map (B, h, w, F), which is averaged. Embedding, valence, arousal and
the auxiliary output are attached to it, so nothing else changes: the same data, losses, int8 graph, head, bundle.

- `module` is looked for in the folder from which the command is started and on `PYTHONPATH`, also by `quantize`.
- Use `tf_keras`, not `keras`: what `import keras` finds today is Keras 3, whose models cannot be quantized here.
- Convolutions (depthwise too), pooling, fully connected layers, additions, concatenations, ReLU and ReLU6 exist in
  int8. An operator that does not ends `quantize` with its name; nothing is left in floating point unseen.
- Layers called `embedding`, `va`, `blendshapes` or `pooled` are refused: those are ours.

`examples/mobilenet_v2.py` is such a file, MobileNetV2 from Keras's applications; a test trains, quantizes and packs it.
"""


class NetworkCost(NamedTuple):
    """One network at one size.

    Attributes:
        parameters, macs: of its graphs, for one face and one step.
        size_bytes: of its graphs.
    """

    network: str
    input_px: int
    width: float
    parameters: int
    macs: int
    size_bytes: int


def measure_network(network: str, size: int, width: float) -> NetworkCost:
    """Builds a network with random weights, makes its graphs and counts in them.

    Raises:
        DataError: there is no such network, or it is not what is asked of one.
        TrainingError: it cannot be made an int8 graph.
    """
    if network == LSTM_NETWORK:
        graphs = [_backbone_graph("shallow", size, width), _head_graph()]
    else:
        graphs = [_backbone_graph(network, size, width)]
    return NetworkCost(
        network,
        size,
        width,
        sum(map(count_parameters, graphs)),
        sum(map(count_macs, graphs)),
        sum(map(len, graphs)),
    )


@cache
def _backbone_graph(network: str, size: int, width: float) -> bytes:
    from convert.networks.backbone import build_backbone
    from convert.networks.keras_runtime import seed_everything

    seed_everything(0)
    recipe = Recipe(name="table", backbone=BackboneRecipe(network=network, size=size, width=width))
    weights = build_backbone(recipe.backbone, blendshapes=1).get_weights()
    return export_backbone(weights, recipe, draw_images(size, count=_CALIBRATION), blendshapes=1).backbone


@cache
def _head_graph() -> bytes:
    from convert.networks.lstm_head import LstmHead

    recipe = Recipe(name="table")
    return export_head(LstmHead(recipe.backbone.embedding, recipe.head).get_weights(), recipe)


def write_table(costs: Sequence[NetworkCost]) -> str:
    """The table (Markdown); † marks what the paper is not known to say."""
    lines = [
        "| network | the paper, as described † | here | input px | width | parameters | MACs | KB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for cost in costs:
        ours = OURS.get(cost.network, "your own").format(units=Recipe(name="table").head.units)
        lines.append(
            f"| `{cost.network}` | {PAPER.get(cost.network, '–')} | {ours} † | {cost.input_px} | {cost.width:g} "
            f"| {cost.parameters / 1e6:.2f} M | {cost.macs / 1e6:.0f} M | {cost.size_bytes / 1e3:.0f} |"
        )
    return "\n".join(lines)


def write_page(costs: Sequence[NetworkCost]) -> str:
    """The page (Markdown): the table, what is our own choice in it, and how to bring another network."""
    return _PAGE.format(table=write_table(costs))
