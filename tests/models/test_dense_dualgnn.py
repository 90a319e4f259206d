"""The dense DualGNN against answers that are known without it.

Eqs. 1 to 11 of Wang et al., "DualGNN", IEEE TMM 2023, section IV: cases worked out by hand in the comments,
invariants, the same sums written once more as powers of one matrix, and finite differences for the gradients.
"""

import math

import numpy as np
import pytest
import torch
from dense_dualgnn import DenseModality, cooccurrence_neighbours, dense_dualgnn, dense_loss

S = 1 / math.sqrt(2)  # "s" in the comments; s * s = 1/2


def rows(*values):
    return torch.tensor(values, dtype=torch.float64)


def assert_close(found, expected):
    expected = torch.as_tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def identity(name, features, present=None, *, item_ids=False):
    present = [True] * len(features) if present is None else present
    return DenseModality(name, "dense", present, content="identity", features=features, item_ids=item_ids)


def compute(parameters, modalities, interactions, n_users, n_items, **changes):
    """Run with the simplest settings, less those changed: no layers, no user graph, learned sum."""
    settings = {
        "construction": "sum",
        "aggregation": "softmax",
        "layers": 0,
        "user_layers": 0,
        "neighbours": 10,
        "emphasis": "learned",
    }
    return dense_dualgnn(
        parameters,
        n_users=n_users,
        n_items=n_items,
        interactions=interactions,
        modalities=modalities,
        **(settings | changes),
    )


# --- Two users, two items, two modalities, by hand ---
#
# u0 - {i0, i1}, u1 - {i1}: |N_u0| = 2, |N_u1| = 1, |N_i0| = 1, |N_i1| = 2.
# Edge norms 1/sqrt(|N_u| |N_i|): u0-i0 s, u0-i1 1/2, u1-i1 s.
#
#            v: layer 0   layer 1       layer 2        a: layer 0   layer 1      layer 2
#       u0   (2, 0)       (4s, 1+2s)    (1.5, 2s)      (0, 2)       (1+2s, 2s)   (s, 1.5)
#       u1   (0, 4)       (0, 2s)       (s, 2)         (2, 0)       (2s, 0)      (1, s)
#       i0   (4, 2)       (2s, 0)       (2, 1+s)       (2, 2)       (0, 2s)      (1+s, 1)
#       i1   (0, 2)       (1, 4s)       (2s, 1.5+s)    (2, 0)       (2s, 1)      (1.5+s, s)
#
# e.g. v, u0, layer 1: s (4, 2) + 1/2 (0, 2) = (4s, 2s + 1); layer 2: s (2s, 0) + 1/2 (1, 4s) = (1 + 1/2, 2s).
# alpha u0 = (1, 2), u1 = (3, -1).

PAIR_INTERACTIONS = [(0, 0), (0, 1), (1, 1)]


def pair_parameters():
    return {
        "user.v": rows([2, 0], [0, 4]),
        "user.a": rows([0, 2], [2, 0]),
        "alpha": rows([1, 2], [3, -1]),
    }


def pair(**changes):
    modalities = [identity("v", rows([4, 2], [0, 2])), identity("a", rows([2, 2], [2, 0]))]
    return compute(pair_parameters(), modalities, PAIR_INTERACTIONS, 2, 2, **changes)


def test_one_layer_by_hand():
    result = pair(layers=1)
    # Eq. 2: u0 v (2+4s, 1+2s), a (1+2s, 2+2s); u1 v (0, 4+2s), a (2+2s, 0).
    # Eq. 4: u0 = 1 v + 2 a = (4+8s, 5+6s); u1 = 3 v - 1 a = (-2-2s, 12+6s).
    assert_close(result.user_vectors, [[4 + 8 * S, 5 + 6 * S], [-2 - 2 * S, 12 + 6 * S]])
    # Eq. 8: i0 = (4+2s, 2) + (2, 2+2s) = (6+2s, 4+2s); i1 = (1, 2+4s) + (2+2s, 1) = (3+2s, 3+4s).
    assert_close(result.item_vectors, [[6 + 2 * S, 4 + 2 * S], [3 + 2 * S, 3 + 4 * S]])
    # Eq. 9: y_00 = (4+8s)(6+2s) + (5+6s)(4+2s) = (32+56s) + (26+34s) = 58 + 90s, and so on.
    assert_close(result.scores, [[58 + 90 * S, 47 + 70 * S], [40 + 32 * S, 40 + 56 * S]])


def test_two_layers_and_softmax_by_hand():
    result = pair(layers=2, user_layers=1)
    # Eq. 2: u0 v (3.5+4s, 1+4s), a (1+3s, 3.5+2s); u1 v (s, 6+2s), a (3+2s, s).
    # Eq. 4: u0 = (5.5+10s, 8+8s); u1 = (-3+s, 18+5s).
    # Eq. 7: C[0, 1] = 1 (i1), so each has one neighbour, whose softmax weight is 1: both are u0 + u1.
    assert_close(result.user_vectors, [[2.5 + 11 * S, 26 + 13 * S]] * 2)
    # Eq. 8: i0 = (6+2s, 3+s) + (3+s, 3+2s) = (9+3s, 6+3s); i1 = (1+2s, 3.5+5s) + (3.5+3s, 1+s).
    assert_close(result.item_vectors, [[9 + 3 * S, 6 + 3 * S], [4.5 + 5 * S, 4.5 + 6 * S]])
    # Eq. 9: (2.5+11s)(9+3s) + (26+13s)(6+3s) = (39+106.5s) + (175.5+156s);
    #        (2.5+11s)(4.5+5s) + (26+13s)(4.5+6s) = (38.75+62s) + (156+214.5s).
    assert_close(result.scores, [[214.5 + 262.5 * S, 194.75 + 276.5 * S]] * 2)


def test_a_second_user_layer_reads_the_first_not_itself():
    # After one layer both users are u0 + u1 = (2+6s, 17+12s), so after two both are twice that.
    # Updating in place would give u1 = (u0 + u1) + u1 in the first layer already.
    result = pair(layers=1, user_layers=2)
    assert_close(result.user_vectors, [[4 + 12 * S, 34 + 24 * S]] * 2)


def test_without_layers_only_the_inputs_remain():
    result = pair()
    assert_close(result.user_vectors, [[2, 4], [-2, 12]])  # (2,0) + 2 (0,2); 3 (0,4) - (2,0)
    assert_close(result.item_vectors, [[6, 4], [2, 2]])


def test_an_interaction_listed_twice_counts_once():
    modalities = [identity("v", rows([4, 2], [0, 2])), identity("a", rows([2, 2], [2, 0]))]
    doubled = compute(pair_parameters(), modalities, PAIR_INTERACTIONS * 2, 2, 2, layers=2, user_layers=1)
    assert torch.equal(doubled.scores, pair(layers=2, user_layers=1).scores)


# --- Construction, eqs. 3 to 5 ---


def test_maximum_by_hand():
    # Without layers: u0 max((2, 0), 2 (0, 2)) = (2, 4); u1 max(3 (0, 4), -(2, 0)) = (0, 12).
    assert_close(pair(construction="maximum").user_vectors, [[2, 4], [0, 12]])


def test_concatenation_by_hand():
    parameters = pair_parameters()
    # h_u0 = (2, 0, 0, 4), h_u1 = (0, 12, -2, 0); modalities in the order given.
    parameters["fusion.weight"] = rows([1, 10, 100, 1000], [0, 1, 0, -1])
    parameters["fusion.bias"] = rows(0.5, 7)
    modalities = [identity("v", rows([4, 2], [0, 2])), identity("a", rows([2, 2], [2, 0]))]
    result = compute(parameters, modalities, PAIR_INTERACTIONS, 2, 2, construction="concatenation")
    # u0: 2 + 4000 + 0.5, 0 - 4 + 7. u1: 120 - 200 + 0.5, 12 + 7.
    assert_close(result.user_vectors, [[4002.5, 3], [-79.5, 19]])


@pytest.mark.parametrize("construction", ["sum", "maximum", "concatenation"])
def test_mean_emphasis_is_alpha_of_one_over_modalities_and_reads_no_alpha(construction):
    problem = Problem(construction=construction, user_layers=1)
    fixed = dict(problem.parameters)
    fixed["alpha"] = torch.full_like(fixed["alpha"], 1 / 3)
    expected = problem.result(fixed)
    without = {name: value for name, value in problem.parameters.items() if name != "alpha"}
    problem.emphasis = "mean"
    assert_close(problem.result(without).scores, expected.scores)


def test_mean_emphasis_by_hand():
    # ((2, 0) + (0, 2)) / 2 and ((0, 4) + (2, 0)) / 2.
    assert_close(pair(emphasis="mean").user_vectors, [[1, 1], [1, 2]])
    assert_close(pair(emphasis="mean", construction="maximum").user_vectors, [[1, 1], [1, 2]])


# --- Item content ---


def content_of_two_items(parameters, modality):
    parameters = {"user.m": rows([0, 0]), "alpha": rows([1])} | parameters
    return compute(parameters, [modality], [], 1, 2).item_vectors


def test_linear_content_by_hand():
    parameters = {"content.m.weight": rows([1, 0, 2], [0, 1, -1]), "content.m.bias": rows(10, 20)}
    modality = DenseModality("m", "dense", [True] * 2, content="linear", features=rows([1, 2, 3], [4, 5, 6]))
    # (1 + 6, 2 - 3) + bias; (4 + 12, 5 - 6) + bias.
    assert_close(content_of_two_items(parameters, modality), [[17, 19], [26, 19]])


def test_mlp_content_by_hand():
    # d = 2: 8 hidden values, of which all but the first two are 0.
    zeros = torch.zeros(2, 6, dtype=torch.float64)
    parameters = {
        "content.m.weight1": torch.cat([rows([1], [-1]), zeros[:1].T]),
        "content.m.bias1": rows(0, 1, 0, 0, 0, 0, 0, 0),
        "content.m.weight2": torch.cat([rows([1, 0], [1, 100]), zeros], dim=1),
        "content.m.bias2": rows(0, 5),
    }
    modality = DenseModality("m", "dense", [True] * 2, content="mlp", features=rows([3], [-1]))
    #  3: hidden (3, -2), after the leaky ReLU (3, -0.02): (3, 3 - 2 + 5).
    # -1: hidden (-1, 2), after the leaky ReLU (-0.01, 2): (-0.01, -0.01 + 200 + 5).
    assert_close(content_of_two_items(parameters, modality), [[3, 6], [-0.01, 204.99]])


def test_bag_content_by_hand():
    parameters = {"content.m.tokens": rows([3, 0], [0, 6], [9, 9])}
    modality = DenseModality("m", "bag", [True] * 2, tokens=[[0, 1], [0, 1, 0]])
    # (3, 6) / 2; a token listed twice counts twice: (6, 6) / 3.
    assert_close(content_of_two_items(parameters, modality), [[1.5, 3], [2, 2]])


def test_item_ids_are_added_to_the_content():
    parameters = {"item.m": rows([10, 20], [30, 40])}
    modality = identity("m", rows([1, 2], [3, 4]), item_ids=True)
    assert_close(content_of_two_items(parameters, modality), [[11, 22], [33, 44]])


def test_a_present_bag_without_tokens_is_refused():
    parameters = {"content.m.tokens": rows([3, 0])}
    with pytest.raises(ValueError, match="item 1 is present but has no token"):
        content_of_two_items(parameters, DenseModality("m", "bag", [True] * 2, tokens=[[0], []]))


def test_float32_is_refused():
    with pytest.raises(TypeError, match=r"'user\.m': expected float64, found torch\.float32"):
        content_of_two_items({"user.m": torch.zeros(1, 2)}, identity("m", rows([1, 2], [3, 4])))


# --- A modality that an item lacks ---


def test_missing_modality_by_hand():
    # The pair above, but i1 lacks v. The graph of v is u0 - i0 alone, both of degree 1, norm 1. Layers of v:
    #   u0 (2, 0), (4, 2), (2, 0); i0 (4, 2), (2, 0), (4, 2); u1 (0, 4), 0, 0; i1 0, 0, 0.
    # The graph of a is unchanged.
    nan = math.nan
    modalities = [identity("v", rows([4, 2], [nan, nan]), [True, False]), identity("a", rows([2, 2], [2, 0]))]
    result = compute(
        pair_parameters(), modalities, PAIR_INTERACTIONS, 2, 2, layers=2, user_layers=1, aggregation="mean"
    )
    # Eq. 4: u0 = (8, 2) + 2 (1+3s, 3.5+2s) = (10+6s, 9+4s); u1 = 3 (0, 4) - (3+2s, s) = (-3-2s, 12-s).
    # Eq. 6: they still share i1, so both are the sum.
    assert_close(result.user_vectors, [[7 + 4 * S, 21 + 3 * S]] * 2)
    # Eq. 8: i0 = (10, 4) + (3+s, 3+2s); i1 = 0 + (3.5+3s, 1+s).
    assert_close(result.item_vectors, [[13 + S, 7 + 2 * S], [3.5 + 3 * S, 1 + S]])


def test_an_item_without_any_modality_scores_zero_and_still_counts_as_shared():
    # The only item that both users share lacks everything: no edge, but C[0, 1] = 1.
    nan = math.nan
    parameters = {"user.m": rows([1, 2], [3, 4]), "item.m": rows([nan, nan]), "alpha": rows([1], [1])}
    modality = identity("m", rows([nan, nan]), [False], item_ids=True)
    result = compute(parameters, [modality], [(0, 0), (1, 0)], 2, 1, layers=2, user_layers=1)
    assert_close(result.user_vectors, [[4, 6], [4, 6]])
    assert torch.equal(result.item_vectors, torch.zeros(1, 2, dtype=torch.float64))
    assert torch.equal(result.scores, torch.zeros(2, 1, dtype=torch.float64))


def test_rows_of_absent_items_are_never_read():
    clean, poisoned = Problem(user_layers=2), Problem(user_layers=2)
    poisoned.poison()
    for problem in (clean, poisoned):
        problem.loss().backward()
    assert torch.equal(clean.result().scores, poisoned.result().scores)
    assert torch.equal(clean.loss(), poisoned.loss())
    for name, value in clean.parameters.items():
        assert torch.equal(value.grad, poisoned.parameters[name].grad), name
    for item in poisoned.absent("v"):
        assert not poisoned.parameters["item.v"].grad[item].any()


def test_an_absent_item_is_as_if_it_were_not_there():
    # One modality, two of five items absent and poisoned: all else is as if there were only the other three.
    features = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    features[1] = features[3] = math.nan
    kept = [0, 2, 4]
    parameters = {
        "user.m": torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2)),
        "alpha": rows([1], [2], [-1], [0.5]),
    }
    interactions = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 3), (2, 2), (2, 3), (2, 4), (3, 4), (3, 0)]
    masked = identity("m", features, [True, False, True, False, True])
    with_absent = compute(parameters, [masked], interactions, 4, 5, layers=3)
    renumbered = [(user, kept.index(item)) for user, item in interactions if item in kept]
    all_present = compute(parameters, [identity("m", features[kept])], renumbered, 4, 3, layers=3)
    assert torch.equal(with_absent.user_vectors, all_present.user_vectors)
    assert torch.equal(with_absent.item_vectors[kept], all_present.item_vectors)
    assert not with_absent.item_vectors[[1, 3]].any()


# --- The user graph, eqs. 6 and 7 ---


def test_counts_and_order_of_neighbours_by_hand():
    # u0 {0, 1, 2}, u1 {2}, u2 {0, 1}, u3 {1}, u4 {9}, u5 {0, 2}.
    interactions = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 0), (2, 1), (3, 1), (4, 9), (5, 0), (5, 2), (0, 2)]
    # u0: u2 and u5 share 2, u1 and u3 share 1. Larger count first, then smaller index.
    assert cooccurrence_neighbours(interactions, 6, 10) == [
        [(2, 2), (5, 2), (1, 1), (3, 1)],
        [(0, 1), (5, 1)],
        [(0, 2), (3, 1), (5, 1)],
        [(0, 1), (2, 1)],
        [],
        [(0, 2), (1, 1), (2, 1)],
    ]
    assert cooccurrence_neighbours(interactions, 6, 3)[0] == [(2, 2), (5, 2), (1, 1)]
    best = cooccurrence_neighbours(interactions, 6, 1)
    assert best == [[(2, 2)], [(0, 1)], [(0, 2)], [(0, 1)], [], [(0, 2)]]


def star(user_layers=1, **changes):
    # u0 shares i0 and i1 with u1, and i2 with u2; u1 and u2 share nothing. u3 is alone with i3; u4 has none.
    interactions = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 2), (3, 3)]
    parameters = {"user.m": rows([1], [10], [100], [1000], [10000]), "alpha": rows([1], [1], [1], [1], [1])}
    modality = identity("m", rows([1], [1], [1], [1]))
    result = compute(parameters, [modality], interactions, 5, 4, user_layers=user_layers, **changes)
    return result.user_vectors[:, 0]


def test_softmax_weights_by_hand():
    # u0: counts (2, 1), weights e^2 / (e^2 + e) = e / (1 + e) and 1 / (1 + e).
    mixed = 1 + (10 * math.e + 100) / (1 + math.e)
    assert_close(star(), [mixed, 10 + 1, 100 + 1, 1000, 10000])


def test_mean_weights_by_hand():
    assert_close(star(aggregation="mean"), [1 + (10 + 100) / 2, 11, 101, 1000, 10000])


def test_only_the_kept_neighbours_share_the_weight():
    # K = 1: u0 keeps u1 alone. The graph is directed: u2 still reads u0.
    assert_close(star(neighbours=1), [11, 11, 101, 1000, 10000])


@pytest.mark.parametrize("aggregation", ["mean", "softmax"])
def test_an_isolated_user_keeps_its_own_vector(aggregation):
    for user_layers in (0, 1, 2):
        vectors = star(layers=2, user_layers=user_layers, aggregation=aggregation)
        assert vectors[3].item() == 1000 + 1 + 1000  # both ends of its only edge have degree 1
        assert vectors[4].item() == 10000  # no item: layer 0 alone


def test_softmax_of_counts_of_800_does_not_overflow():
    # u0 shares 800 items with u1 and 799 with u2. exp(800) is not finite, but the weights are still
    # e / (1 + e) and 1 / (1 + e).
    interactions = [(user, item) for user, n in enumerate([800, 800, 799]) for item in range(n)]
    assert [count for _, count in cooccurrence_neighbours(interactions, 3, 5)[0]] == [800, 799]
    parameters = {"user.m": rows([1], [10], [100]), "alpha": rows([1], [1], [1])}
    modality = identity("m", torch.ones(800, 1, dtype=torch.float64))
    result = compute(parameters, [modality], interactions, 3, 800, user_layers=1)
    assert_close(result.user_vectors[0, 0], 1 + (10 * math.e + 100) / (1 + math.e))


def test_mean_and_softmax_agree_where_all_counts_are_equal():
    # Every pair of users shares exactly one item.
    interactions = [(user, 0) for user in range(4)] + [(user, 1 + user) for user in range(4)]
    parameters = {"user.m": rows([1, 2], [3, 5], [-7, 11], [13, 0]), "alpha": rows([1], [2], [3], [4])}
    modality = identity("m", rows([1, 0], [0, 1], [1, 1], [2, 1], [1, 3]))
    results = [
        compute(parameters, [modality], interactions, 4, 5, layers=2, user_layers=2, aggregation=aggregation)
        for aggregation in ("mean", "softmax")
    ]
    assert_close(results[0].scores, results[1].scores)
    # and they differ where counts differ
    assert abs(star()[0] - star(aggregation="mean")[0]) > 1


# --- The loss, eqs. 10 and 11 ---


def loss_case():
    # v: identity + item ids, i2 absent; t: bag, i1 absent. No layers, no user graph, d = 2.
    # i0* = (1,1) + (0,1) + ((2,0) + (0,4)) / 2 = (2, 4); i1* = (0,1) + (2,0) = (2, 1); i2* = (0, 4).
    # u0 = 1 (1,0) + 2 (1,1) = (3, 2); u1 = 2 (0,2) + 0 (3,0) = (0, 4).
    nan = math.nan
    parameters = {
        "user.v": rows([1, 0], [0, 2]),
        "user.t": rows([1, 1], [3, 0]),
        "alpha": rows([1, 2], [2, 0]),
        "item.v": rows([0, 1], [2, 0], [nan, nan]),
        "content.t.tokens": rows([2, 0], [0, 4], [nan, nan]),
    }
    modalities = [
        identity("v", rows([1, 1], [0, 1], [nan, nan]), [True, True, False], item_ids=True),
        DenseModality("t", "bag", [True, False, True], tokens=[[0, 1], [2], [1]]),
    ]
    return parameters, modalities


LOSS_TRIPLES = [(0, 0, 1), (1, 1, 2)]


def test_loss_by_hand():
    parameters, modalities = loss_case()
    result = compute(parameters, modalities, [(0, 0), (1, 1)], 2, 3)
    # (0, 0, 1): y 14 - 8 = 6. (1, 1, 2): y 4 - 16 = -12.
    ranking = (math.log(1 + math.exp(-6)) + math.log(1 + math.exp(12))) / 2
    # Rows of (0, 0, 1): user 1 + 2, alpha 1 + 4, i0 id 1, i0 bag |(1, 2)|^2 = 5, i1 id 4: 18.
    # Rows of (1, 1, 2): user 4 + 9, alpha 4, i1 id 4, i2 bag 16: 37.
    settings = {"modalities": modalities, "construction": "sum", "emphasis": "learned"}
    assert_close(dense_loss(parameters, result, LOSS_TRIPLES, 0.0, **settings), ranking)
    assert_close(
        dense_loss(parameters, result, LOSS_TRIPLES, 0.1, **settings), ranking + 0.05 * (18 + 37) / 2
    )
    # A triple listed twice counts twice, in both terms.
    twice = dense_loss(parameters, result, [*LOSS_TRIPLES, LOSS_TRIPLES[0]], 0.1, **settings)
    ranking = (2 * math.log(1 + math.exp(-6)) + math.log(1 + math.exp(12))) / 3
    assert_close(twice, ranking + 0.05 * (18 + 37 + 18) / 3)


def test_loss_without_alpha_by_hand():
    parameters, modalities = loss_case()
    del parameters["alpha"]
    result = compute(parameters, modalities, [(0, 0), (1, 1)], 2, 3, emphasis="mean")
    # u0 = (1, 0.5), u1 = (1.5, 1): margins 4 - 2.5 = 1.5 and 4 - 4 = 0. Rows: 18 - 5 = 13 and 37 - 4 = 33.
    ranking = (math.log(1 + math.exp(-1.5)) + math.log(2)) / 2
    found = dense_loss(
        parameters, result, LOSS_TRIPLES, 0.1, modalities=modalities, construction="sum", emphasis="mean"
    )
    assert_close(found, ranking + 0.05 * (13 + 33) / 2)


def test_shared_maps_are_regularised_once_whatever_the_batch():
    parameters = {
        "user.l": rows([1]),
        "user.p": rows([2]),
        "alpha": rows([1, 1]),
        "content.l.weight": rows([2, 3]),  # 13
        "content.l.bias": rows(4),  # 16
        "content.p.weight1": rows([1], [2], [0], [0]),  # 5
        "content.p.bias1": rows(0, 0, 3, 0),  # 9
        "content.p.weight2": rows([0, 0, 0, 5]),  # 25
        "content.p.bias2": rows(6),  # 36
        "fusion.weight": rows([7, 1]),  # 50
        "fusion.bias": rows(8),  # 64
    }
    modalities = [
        DenseModality("l", "dense", [True] * 2, content="linear", features=rows([1, 0], [0, 1])),
        DenseModality("p", "dense", [True] * 2, content="mlp", features=rows([1], [2])),
    ]
    result = compute(parameters, modalities, [(0, 0)], 1, 2, construction="concatenation")
    settings = {"modalities": modalities, "emphasis": "learned"}
    for triples in ([(0, 0, 1)], [(0, 0, 1)] * 3):
        losses = [
            dense_loss(parameters, result, triples, reg, construction=construction, **settings).item()
            for reg, construction in [(0.0, "sum"), (0.2, "sum"), (0.2, "concatenation")]
        ]
        # Rows: user 1 + 4, alpha 1 + 1.
        assert losses[1] - losses[0] == pytest.approx(0.1 * (7 + 13 + 16 + 5 + 9 + 25 + 36), rel=1e-12)
        assert losses[2] - losses[1] == pytest.approx(0.1 * (50 + 64), rel=1e-12)


def test_loss_is_exact_and_finite_for_large_margins():
    parameters = {"user.m": rows([1]), "alpha": rows([1])}
    modality = identity("m", rows([30], [0], [2000], [21]))
    result = compute(parameters, [modality], [(0, 0)], 1, 4)
    settings = {"modalities": [modality], "construction": "sum", "emphasis": "learned"}
    found = dense_loss(parameters, result, [(0, 0, 1)], 0.0, **settings).item()
    assert found == pytest.approx(math.log1p(math.exp(-30)), rel=1e-12, abs=0)  # not 0
    found = dense_loss(parameters, result, [(0, 1, 3)], 0.0, **settings).item()
    assert found == pytest.approx(21 + math.log1p(math.exp(-21)), rel=1e-14)  # not 21
    assert dense_loss(parameters, result, [(0, 1, 2)], 0.0, **settings).item() == 2000
    assert dense_loss(parameters, result, [(0, 2, 1)], 0.0, **settings).item() == 0


# --- A random problem with everything in it ---


class Problem:
    """Five users (u4 without an item), six items, three modalities of three kinds, each absent somewhere."""

    N_USERS, N_ITEMS, DIM = 5, 6, 2
    TRIPLES = ((0, 1, 4), (1, 2, 0), (3, 5, 2), (2, 3, 5), (0, 0, 5))

    def __init__(self, *, construction="sum", aggregation="softmax", user_layers=2, neighbours=2):
        self.construction, self.aggregation = construction, aggregation
        self.user_layers, self.neighbours, self.emphasis = user_layers, neighbours, "learned"
        self.interactions = [
            *((0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2)),
            *((2, 0), (2, 3), (2, 4), (3, 1), (3, 5), (3, 4)),
        ]
        generator = torch.Generator().manual_seed(20)

        def normal(*shape):
            return torch.randn(*shape, dtype=torch.float64, generator=generator)

        n_users, n_items, dim = self.N_USERS, self.N_ITEMS, self.DIM
        self.parameters = {
            **{f"user.{name}": normal(n_users, dim) for name in "vat"},
            "alpha": 1 + 0.3 * normal(n_users, 3),
            "item.v": normal(n_items, dim),
            "content.v.weight": normal(dim, 3),
            "content.v.bias": normal(dim),
            "content.a.weight1": normal(4 * dim, 4),
            "content.a.bias1": normal(4 * dim),
            "content.a.weight2": normal(dim, 4 * dim),
            "content.a.bias2": normal(dim),
            "content.t.tokens": normal(7, dim),
        }
        if construction == "concatenation":
            self.parameters["fusion.weight"] = normal(dim, 3 * dim)
            self.parameters["fusion.bias"] = normal(dim)
        for value in self.parameters.values():
            value.requires_grad_()
        v_present, a_present = [True] * n_items, [True] * n_items
        v_present[2] = v_present[5] = a_present[0] = a_present[5] = False
        self.modalities = [
            DenseModality(
                "v", "dense", v_present, content="linear", features=normal(n_items, 3), item_ids=True
            ),
            DenseModality("a", "dense", a_present, content="mlp", features=normal(n_items, 4)),
            DenseModality(
                "t",
                "bag",
                [True, False, True, True, True, True],
                tokens=[[0, 1], [6], [2], [3, 1, 0], [4, 4, 1], [5]],
            ),
        ]

    def absent(self, name):
        (modality,) = [modality for modality in self.modalities if modality.name == name]
        return [item for item in range(self.N_ITEMS) if not modality.present[item]]

    def poison(self):
        """Put NaN wherever only an absent item points, and a token that does not exist in its list."""
        for name, modality in zip("va", self.modalities, strict=False):
            modality.features[self.absent(name)] = math.nan
        with torch.no_grad():
            self.parameters["item.v"][self.absent("v")] = math.nan
            self.parameters["content.t.tokens"][6] = math.nan
        self.modalities[2].tokens[1] = [6, 99]

    def result(self, parameters=None):
        return dense_dualgnn(
            self.parameters if parameters is None else parameters,
            n_users=self.N_USERS,
            n_items=self.N_ITEMS,
            interactions=self.interactions,
            modalities=self.modalities,
            construction=self.construction,
            aggregation=self.aggregation,
            layers=2,
            user_layers=self.user_layers,
            neighbours=self.neighbours,
            emphasis=self.emphasis,
        )

    def loss(self):
        return dense_loss(
            self.parameters,
            self.result(),
            list(self.TRIPLES),
            0.3,
            modalities=self.modalities,
            construction=self.construction,
            emphasis=self.emphasis,
        )


@pytest.mark.parametrize(
    ("construction", "aggregation"), [("sum", "softmax"), ("concatenation", "mean"), ("maximum", "softmax")]
)
def test_gradients_match_central_differences(construction, aggregation):
    problem = Problem(construction=construction, aggregation=aggregation)
    problem.loss().backward()
    step = 1e-5
    for name, value in problem.parameters.items():
        assert value.grad.any(), name
        flat, gradient = value.data.view(-1), value.grad.view(-1)
        for entry in sorted({0, flat.numel() // 2, flat.numel() - 1, int(gradient.abs().argmax())}):
            original = flat[entry].item()
            losses = []
            for moved in (original + step, original - step):
                flat[entry] = moved
                losses.append(problem.loss().item())
            flat[entry] = original
            difference = (losses[0] - losses[1]) / (2 * step)
            assert gradient[entry].item() == pytest.approx(difference, rel=1e-6, abs=1e-8), (name, entry)


def test_propagation_equals_powers_of_the_normalised_adjacency():
    # Eqs. 1 and 2 in one line: (1 + A + A^2 + A^3) X with A = D^-1/2 [[0, R], [R', 0]] D^-1/2, where R has no
    # edge of an absent item.
    rng = np.random.default_rng(3)
    n_users, n_items, dim = 6, 8, 3
    observed = rng.random((n_users, n_items)) < 0.4
    observed[5] = False
    present = rng.random(n_items) < 0.7
    assert 0 < present.sum() < n_items
    users, items = rng.normal(size=(n_users, dim)), rng.normal(size=(n_items, dim))

    edges = observed * present
    adjacency = np.block([[np.zeros((n_users, n_users)), edges], [edges.T, np.zeros((n_items, n_items))]])
    degree = adjacency.sum(axis=1)
    scale = np.divide(1, np.sqrt(degree), out=np.zeros_like(degree), where=degree > 0)
    step = scale[:, None] * adjacency * scale
    start = np.concatenate([users, items * present[:, None]])
    expected = sum(np.linalg.matrix_power(step, power) @ start for power in range(4))

    parameters = {"user.m": torch.from_numpy(users), "alpha": torch.ones(n_users, 1, dtype=torch.float64)}
    modality = identity("m", torch.from_numpy(items), present.tolist())
    interactions = [(int(user), int(item)) for user, item in np.argwhere(observed)]
    result = compute(parameters, [modality], interactions, n_users, n_items, layers=3)
    assert_close(result.user_vectors, expected[:n_users])
    assert_close(result.item_vectors, expected[n_users:])
    assert_close(result.scores, expected[:n_users] @ expected[n_users:].T)
