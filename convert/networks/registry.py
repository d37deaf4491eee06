"""Networks by name: ours, and any function of the user's own as `module:function`.

The contract of a network, ours or the user's: a function

    def build(input_size: int, width: float) -> tf_keras.Model

that is called as `build(input_size, width=width)` and returns a model of `tf_keras` (Keras 2; what `import keras` finds
is Keras 3, which cannot be quantized for the device)

- from one input, float32 (B, S, S, 3): RGB, (pixel − 127) / 127.5, so −1..1. The batch is left open.
- to one output: features float32 (B, F), or a map float32 (B, h, w, F) that is pooled as the recipe says.

Nothing else is asked: embedding, valence and arousal, and the auxiliary blendshapes are attached by `build_backbone`.
So that it runs on the device, every operator must exist in int8: convolutions (depthwise too), pooling, fully connected
layers, additions, concatenations, ReLU and ReLU6 do; what TensorFlow Lite cannot quantize fails at `quantize`, by name.
The layers `embedding`, `va`, `blendshapes` and `pooled` are ours. The recipe records the name, not the function: to
quantize and pack a run, the module must be found as it was when it was trained.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

from convert.errors import DataError
from convert.networks.inception_resnet import conv, deep_inception_resnet, scale, shallow_inception_resnet
from convert.networks.keras_runtime import keras
from convert.train.recipe import Pooling

Network = Callable[..., Any]
NETWORKS: dict[str, Network] = {"shallow": shallow_inception_resnet, "deep": deep_inception_resnet}
RESERVED = ("embedding", "va", "blendshapes", "pooled")
PLACES = 256  # channels that `places` keeps of each cell of the map, at full width


def find_network(name: str) -> Network:
    """The function behind a name: `shallow`, `deep`, or `module:function`.

    Raises:
        DataError: there is no such name, module or function, or it cannot be called as the contract says.
    """
    if name in NETWORKS:
        return NETWORKS[name]
    module_name, colon, function_name = name.partition(":")
    if not (colon and module_name and function_name):
        raise DataError(f"network {name}: not one of {sorted(NETWORKS)}; name your own as module:function")
    function = getattr(_import(name, module_name), function_name, None)
    if function is None:
        raise DataError(f"network {name}: {module_name} has no {function_name}")
    if not callable(function):
        raise DataError(f"network {name}: {function_name} is {type(function).__name__}, not a function")
    try:
        inspect.signature(function).bind(96, width=1.0)
    except TypeError as error:
        raise DataError(f"network {name}: cannot be called as {function_name}(input_size, width=…) ({error})") from None
    return function


def build_features(name: str, input_size: int, width: float, pooling: Pooling = "mean") -> Any:
    """A network's model, checked against the contract above, its output pooled to (B, F) where it is a map.

    Args:
        name, input_size, width: of the network.
        pooling: as in `BackboneRecipe`; does nothing to a network whose output is no map.

    Raises:
        DataError: it is not what the contract says; names the network and the difference.
    """
    model = find_network(name)(input_size, width=width)
    if not isinstance(model, keras.Model):
        kind = f"{type(model).__module__}.{type(model).__name__}"
        raise DataError(f"network {name}: returned {kind}, not a tf_keras.Model; take Keras from `tf_keras`")
    takes = [tuple(each.shape) for each in model.inputs or []]
    if takes != [(None, input_size, input_size, 3)]:
        raise DataError(f"network {name}: takes {takes}, not one input of (None, {input_size}, {input_size}, 3)")
    gives = [tuple(each.shape) for each in model.outputs]
    if len(gives) != 1 or len(gives[0]) not in (2, 4) or gives[0][-1] is None:
        raise DataError(f"network {name}: gives {gives}, not one output of (None, F) or (None, h, w, F)")
    taken = sorted({layer.name for layer in model.layers} & set(RESERVED))
    if taken:
        raise DataError(f"network {name}: has a layer called {taken[0]}, which is a name of ours; call it otherwise")
    if len(gives[0]) == 4:
        pooled = _pool(model.output, width, pooling)
        model = keras.Model(model.input, pooled, name=model.name)
    return model


def _pool(features: Any, width: float, pooling: Pooling) -> Any:
    if pooling == "mean":
        return keras.layers.GlobalAveragePooling2D(name="pooled")(features)
    return keras.layers.Flatten(name="pooled")(conv(features, scale(PLACES, width), 1))


def _import(name: str, module_name: str) -> Any:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or module_name
        if missing == module_name or module_name.startswith(f"{missing}."):
            fix = "start from the folder that holds it, or name that folder in PYTHONPATH"
            raise DataError(f"network {name}: there is no module {missing}; {fix}") from None
        raise DataError(f"network {name}: {module_name} needs {missing}, which is not installed here") from error
    except (ImportError, SyntaxError) as error:
        raise DataError(f"network {name}: {module_name} cannot be imported ({error})") from error
