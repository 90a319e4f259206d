"""What was watched, and what the items look, sound and read like."""

from reelmix.data.dataset import Card as Card
from reelmix.data.dataset import Dataset as Dataset
from reelmix.data.features import BagFeatures as BagFeatures
from reelmix.data.features import DenseFeatures as DenseFeatures
from reelmix.data.interactions import Interactions as Interactions
from reelmix.data.split import Split as Split
from reelmix.data.vocabulary import Vocabulary as Vocabulary
