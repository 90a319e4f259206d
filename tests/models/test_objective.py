"""The loss that is open to every baseline: softmax over cosines."""

import pytest
import torch
from small_worlds import N_ITEMS, assert_close, away_from_the_start, batch_of, triples_of, world
from torch.nn import functional

from reelmix.models import LRGCCF, MMGCN, STARGCN, VBPR, DualGNN, LightGCN
from reelmix.models.base import Batch
from reelmix.models.objective import own_item

pytestmark = pytest.mark.usefixtures("double_precision")
MODELS = {
    "lightgcn": lambda **given: LightGCN(embedding_size=3, reg=0.0, **given),
    "dualgnn": lambda **given: DualGNN(embedding_size=3, neighbours=3, reg=0.0, missing="mask", **given),
    "lr_gccf": lambda **given: LRGCCF(embedding_size=3, reg=0.0, **given),
    "mmgcn": lambda **given: MMGCN(embedding_size=3, reg=0.0, **given),
    "star_gcn": lambda **given: STARGCN(
        embedding_size=3, blocks=1, masked=0.0, reconstruction=0.0, reg=0.0, **given
    ),
    "vbpr": lambda **given: VBPR(embedding_size=3, reg=0.0, **given),
}


@pytest.mark.parametrize("name", MODELS)
def test_softmax_compares_by_cosine_with_a_sample_of_all_items(name):
    split = world()
    soft = away_from_the_start(MODELS[name](loss="softmax", temperature=0.4, candidates=7).build(split))
    plain = away_from_the_start(MODELS[name]().build(split))
    users, items = plain.embed().users, plain.embed().items
    triples = triples_of(split, 3)[:9]  # not every item is in the batch
    candidates = [negative for _, _, negative in triples][:7]
    losses = []
    for user, positive, _ in triples:
        cosine = functional.cosine_similarity(users[user], items, dim=1) / 0.4
        others = sum(cosine[item].exp() for item in candidates if item != positive) * N_ITEMS / 7
        losses.append((cosine[positive].exp() + others).log() - cosine[positive])
    loss, expected = soft.loss(batch_of(triples)), sum(losses) / len(losses)
    assert_close(loss, expected)
    loss.backward()
    expected.backward()
    for (key, parameter), other in zip(soft.named_parameters(), plain.parameters(), strict=True):
        assert_close(parameter.grad, other.grad, key)


@pytest.mark.parametrize("name", MODELS)
def test_lists_are_by_cosine_too(name):
    split = world()
    soft, plain = (
        away_from_the_start(MODELS[name](**given).build(split)).embed() for given in ({"loss": "softmax"}, {})
    )
    assert_close(soft.users, plain.users)
    assert_close(soft.items, functional.normalize(plain.items))
    length = plain.items.norm(dim=1, keepdim=True)
    for modality, part in soft.item_parts.items():
        assert_close(part, plain.item_parts[modality] / length)


@pytest.mark.parametrize("n_items", [1, 4, 50])
def test_own_item_finds_every_candidate_that_is_the_triples_own(n_items):
    draw = torch.Generator().manual_seed(n_items)
    users, positives, negatives = torch.randint(n_items, (3, 40), generator=draw)
    whole = Batch(users, positives, negatives)
    for batch, candidates in ((whole, 40), (whole, 9), (whole.share(slice(5, 12)), 30)):
        table = torch.zeros(len(batch.positives), candidates, dtype=torch.bool)
        table[own_item(batch, candidates)] = True
        assert torch.equal(table, negatives[:candidates] == batch.positives[:, None])
