"""What `reelmix train` refuses of engines and workers, before anything is read."""

import pytest


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            ["--workers", "2"],
            "expected one worker with the engine local, found 2. Add --engine ray.",
        ),
        (["--engine", "spark"], "--engine: expected local or ray, found 'spark'. Valid names: local, ray."),
        (
            ["--engine", "ray", "--parallel", "column"],
            "--parallel: expected data or columns, found 'column'. Did you mean 'columns'?",
        ),
    ],
)
def test_what_no_engine_can_do(refused, tmp_path, flags, said):
    message = refused("train", str(tmp_path / "none"), "--out", str(tmp_path / "run"), *flags)
    assert said in message
    assert not (tmp_path / "run").exists()
