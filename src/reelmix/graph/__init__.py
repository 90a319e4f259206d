"""Graphs made from training interactions. The product with them, which needs torch, is in ``sparse``."""

from reelmix.graph.bipartite import mean_of_neighbours as mean_of_neighbours
from reelmix.graph.bipartite import normalised as normalised
from reelmix.graph.cooccurrence import UserGraph as UserGraph
from reelmix.graph.cooccurrence import user_graph as user_graph
from reelmix.graph.filling import Missing as Missing
from reelmix.graph.filling import filled as filled
from reelmix.graph.lookalikes import lookalike_graph as lookalike_graph
