"""Ways of quantizing a trained network, by name, and how much agreement each may cost.

| name | backbone | head | for |
|---|---|---|---|
| `ptq_int8_head_f32` | int8 after training | float32 step | what ships: decision 3 says why the step stays float32 |
| `qat_int8` | int8, fine-tuned with fake quantization | float32 step | a network that loses too much above |
| `ptq_int8` | int8 after training | int8 step | the record, and chips without any floating point |
| `float16` | float16 weights, float32 arithmetic | the same | GPUs and comparisons |
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from convert.errors import find_named

Count = Annotated[int, msgspec.Meta(ge=1)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
BackboneKind = Literal["float32", "float16", "int8"]
HeadKind = Literal["float32", "float16", "int16x8", "int8"]


class FakeQuantization(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fine-tuning with rounding in the forward pass, towards the float network's own answers.

    Attributes:
        steps: of the optimizer.
        batch: faces a step.
        learning_rate: of SGD with momentum 0.9; falls along a cosine.
    """

    steps: Count = 120
    batch: Count = 16
    learning_rate: Positive = 5e-3


class QuantizationRecipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way from float weights to a device's graphs.

    Attributes:
        training: fine-tuning before the conversion; None converts the weights as they are.
        budget_ccc: the largest loss of CCC allowed, of either target, against the float network and at any one step.
    """

    name: str
    backbone: BackboneKind = "int8"
    head: HeadKind = "float32"
    training: FakeQuantization | None = None
    budget_ccc: Positive = 0.01


DEFAULT = "ptq_int8_head_f32"
QUANTIZATIONS = {
    recipe.name: recipe
    for recipe in (
        QuantizationRecipe(name=DEFAULT),
        QuantizationRecipe(name="qat_int8", training=FakeQuantization()),
        QuantizationRecipe(name="ptq_int8", head="int8", budget_ccc=0.05),
        QuantizationRecipe(name="float16", backbone="float16", head="float16", budget_ccc=0.002),
    )
}


def find_quantization(name: str) -> QuantizationRecipe:
    """The quantization recipe of that name; raises what `find_named` does."""
    return find_named(QUANTIZATIONS, name, "quantization recipe")
