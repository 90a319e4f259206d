"""Against a published example, and against the procedure as Holm states it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelmix.errors import DataError
from reelmix.holm import holm


def test_holm_published_example():
    """From "Holm-Bonferroni method" in Wikipedia: four hypotheses, two of them rejected at 0.05."""
    adjusted = holm({"H1": 0.01, "H2": 0.04, "H3": 0.03, "H4": 0.005})
    assert list(adjusted) == ["H1", "H2", "H3", "H4"]
    assert list(adjusted.values()) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_at_the_edges(refusal):
    assert holm({}) == {}
    assert holm({"only": 0.04}) == {"only": 0.04}
    assert holm({"a": 0.5, "b": 0.9, "c": 0.0}) == {"a": 1.0, "b": 1.0, "c": 0.0}
    assert holm({"a": 0.2, "b": 0.2, "c": 0.2}) == pytest.approx({"a": 0.6, "b": 0.6, "c": 0.6})
    for wrong, found in ((float("nan"), "nan"), (-0.1, "-0.1"), (1.5, "1.5")):
        assert refusal(DataError, holm, {"mmgcn": 0.1, "vbpr": wrong}) == (
            f"vbpr: expected a p-value between 0 and 1, found {found}. "
            "Leave out comparisons that were not made."
        )


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=8), st.floats(0.001, 0.999))
def test_holm_rejects_what_the_step_down_procedure_rejects(p_values, alpha):
    """The procedure as Holm states it: from the smallest, stop at the first that is not small enough."""
    rejected = set()
    for place, (name, p_value) in enumerate(sorted(p_values.items(), key=lambda entry: entry[1])):
        if not (len(p_values) - place) * p_value <= alpha:
            break
        rejected.add(name)
    adjusted = holm(p_values)
    assert {name for name, p_value in adjusted.items() if p_value <= alpha} == rejected
    assert all(p_values[name] <= adjusted[name] <= 1 for name in p_values)
