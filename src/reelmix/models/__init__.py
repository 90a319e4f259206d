"""Models: interactions and content in, user and item vectors out. A file a model."""

from reelmix.errors import ConfigError, nearest
from reelmix.models.base import Batch as Batch
from reelmix.models.base import Embeddings as Embeddings
from reelmix.models.base import Model as Model
from reelmix.models.dualgnn import DualGNN as DualGNN
from reelmix.models.dualgnn import DualGNNConfig as DualGNNConfig
from reelmix.models.ease import EASE as EASE
from reelmix.models.floor import Floor as Floor
from reelmix.models.gfcf import GFCF as GFCF
from reelmix.models.lightgcn import LightGCN as LightGCN
from reelmix.models.lr_gccf import LRGCCF as LRGCCF
from reelmix.models.mmgcn import MMGCN as MMGCN
from reelmix.models.popularity import Popularity as Popularity
from reelmix.models.reelmix import Reelmix as Reelmix
from reelmix.models.reelmix import ReelmixConfig as ReelmixConfig
from reelmix.models.star_gcn import STARGCN as STARGCN
from reelmix.models.vbpr import VBPR as VBPR

MODELS: dict[str, type[Model]] = {
    model.name: model for model in (Reelmix, DualGNN, LightGCN, LRGCCF, MMGCN, STARGCN, VBPR)
}
"""Every model by the name it has on the command line."""

FLOORS: dict[str, type[Floor]] = {floor.name: floor for floor in (Popularity, EASE, GFCF)}
"""Rankings that need no training, by name."""


def model_class(name: str) -> type[Model]:
    """The model of this name.

    Raises:
        ConfigError: there is none.
    """
    if name not in MODELS:
        raise ConfigError(expected="a model", found=repr(name), where="model", fix=nearest(name, MODELS))
    return MODELS[name]
