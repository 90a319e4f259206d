"""The HTTP API and the explorer: a run, or two side by side, on one port, without torch."""
