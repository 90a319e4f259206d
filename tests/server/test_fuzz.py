"""Whatever is asked, by a fuzzer that reads the API's description: no fault, no undescribed answer."""

import pytest
import schemathesis
from access import AUTHORISED
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

OPERATIONS = [
    ("GET", "/health"),
    ("GET", "/ready"),
    ("GET", "/metrics"),
    ("GET", "/media"),
    ("GET", "/v1/model"),
    ("GET", "/v1/map"),
    ("GET", "/v1/users"),
    ("GET", "/v1/items"),
    ("GET", "/v1/profile"),
    ("GET", "/v1/neighbourhood"),
    ("GET", "/v1/recommendations"),
    ("POST", "/v1/recommendations"),
    ("POST", "/v1/recommendations/history"),
    ("GET", "/v1/similar-items"),
    ("GET", "/v1/similar-users"),
    ("GET", "/v1/explanation"),
    ("POST", "/v1/items"),
    ("POST", "/v1/interactions"),
    ("POST", "/v1/reload"),
]


@pytest.fixture
def api(start):
    client = start(raises=False)
    return schemathesis.openapi.from_asgi("/openapi.json", client.app, headers={"host": "localhost"})


def test_all_that_is_described_is_tried(api):
    described = {(one.ok().method.upper(), one.ok().path) for one in api.get_all_operations()}
    assert described == set(OPERATIONS)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_nothing_is_found(api, method, path):
    @given(case=api[path][method].as_strategy())
    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    def tried(case):
        # ids and features of the right form are refused, too, where this run does not know them
        case.call_and_validate(
            headers={**AUTHORISED, "host": "localhost"}, excluded_checks=[positive_data_acceptance]
        )

    tried()
