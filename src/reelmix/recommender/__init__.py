"""A trained model at work: the run it leaves behind, lists for users, what is alike, and why."""

from reelmix.recommender.explain import Explanation as Explanation
from reelmix.recommender.explain import explain as explain
from reelmix.recommender.recommender import Recommendation as Recommendation
from reelmix.recommender.recommender import Recommender as Recommender
from reelmix.recommender.run import Run as Run
