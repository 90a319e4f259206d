"""Models: interactions and content in, user and item vectors out. A file a model."""

from reelmix.errors import ConfigError, nearest
from reelmix.models.base import Batch as Batch
from reelmix.models.base import Embeddings as Embeddings
from reelmix.models.base import Model as Model
from reelmix.models.dualgnn import DualGNN as DualGNN
from reelmix.models.dualgnn import DualGNNConfig as DualGNNConfig

MODELS: dict[str, type[Model]] = {model.name: model for model in (DualGNN,)}
"""Every model by the name it has on the command line."""


def model_class(name: str) -> type[Model]:
    """The model of this name.

    Raises:
        ConfigError: there is none.
    """
    if name not in MODELS:
        raise ConfigError(expected="a model", found=repr(name), where="model", fix=nearest(name, MODELS))
    return MODELS[name]
