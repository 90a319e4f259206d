"""How good the ranked lists are: exact ranking, metrics and the protocol that averages them over users."""

from reelmix.evaluation.metrics import METRICS, Hits, Metric
from reelmix.evaluation.protocol import Evaluation, EvaluationConfig, evaluate
from reelmix.evaluation.ranking import TopN, top_n
from reelmix.evaluation.scorer import Scorer, VectorScorer

__all__ = [
    "METRICS",
    "Evaluation",
    "EvaluationConfig",
    "Hits",
    "Metric",
    "Scorer",
    "TopN",
    "VectorScorer",
    "evaluate",
    "top_n",
]
