"""What the server counts about itself, for Prometheus."""

from __future__ import annotations

from typing import Any

from reelmix.extras import optional

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Measures:
    """Counters of one server.

    Attributes:
        seconds: by route, method and status, how long answers took.
        rejected: by reason (busy, slow, large, unauthorised), what was not worked out.
        items, users, added_items, added_interactions, loaded: of the run that is served.
    """

    def __init__(self) -> None:
        prometheus: Any = optional("prometheus_client", "serve")
        self._write = prometheus.generate_latest
        self.content_type: str = prometheus.CONTENT_TYPE_LATEST
        self.registry = prometheus.CollectorRegistry()
        self.seconds = prometheus.Histogram(
            "reelmix_request_seconds",
            "Time to an answer.",
            ("route", "method", "status"),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.rejected = prometheus.Counter(
            "reelmix_rejected", "Requests that were not worked out.", ("reason",), registry=self.registry
        )
        gauges = {
            "items": "Items of the run, with those added.",
            "users": "Users of the run.",
            "added_items": "Items added since training.",
            "added_interactions": "Interactions added since training.",
            "loaded": "When the run was read, in seconds since 1970.",
        }
        self.gauges = {
            name: prometheus.Gauge(f"reelmix_{name}", text, registry=self.registry)
            for name, text in gauges.items()
        }

    def text(self) -> bytes:
        """All of them, as Prometheus reads them."""
        return self._write(self.registry)
