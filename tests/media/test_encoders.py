"""Encoders: networks against their equations, weights against their hash, and what the learned ones know."""

import hashlib

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from reelmix.errors import ConfigError, DataError, StorageError
from reelmix.media.encoder import Encoder, make_encoder
from reelmix.media.encoders import resnet, vggish, weights
from reelmix.media.encoders.efficientnet import EfficientNetLite0
from reelmix.media.encoders.minilm import MiniLM
from reelmix.media.encoders.speech import SpeechEmbedding

T = np.arange(32_000) / 16_000


def drawn(network, seed=0):
    """The network with weights drawn by chance, and its batch norms with statistics too."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            chance = torch.rand(tensor.shape, generator=generator)
            tensor.copy_(0.5 + chance if "running_var" in name else 0.1 * (chance - 0.5))
    return network.eval()


def functional_resnet(state, x):
    """ResNet-50 from the names of its published weights, in functions alone."""

    def bn(x, name):
        return functional.batch_norm(
            x, *(state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        )

    x = functional.max_pool2d(
        functional.relu(bn(functional.conv2d(x, state["conv1.weight"], stride=2, padding=3), "bn1")), 3, 2, 1
    )
    for stage, blocks in enumerate((3, 4, 6, 3), 1):
        for block in range(blocks):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            y = functional.relu(bn(functional.conv2d(x, state[f"{name}.conv1.weight"]), f"{name}.bn1"))
            y = functional.relu(
                bn(
                    functional.conv2d(y, state[f"{name}.conv2.weight"], stride=stride, padding=1),
                    f"{name}.bn2",
                )
            )
            y = bn(functional.conv2d(y, state[f"{name}.conv3.weight"]), f"{name}.bn3")
            if f"{name}.downsample.0.weight" in state:
                x = bn(
                    functional.conv2d(x, state[f"{name}.downsample.0.weight"], stride=stride),
                    f"{name}.downsample.1",
                )
            x = functional.relu(x + y)
    return x.mean(dim=(2, 3))


def test_resnet_is_its_equations():
    network = drawn(resnet.Network())
    assert sum(p.numel() for p in network.parameters()) == 25_557_032  # as published
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(
            network(x), functional_resnet(network.state_dict(), x), rtol=1e-4, atol=1e-5
        )


def test_vggish_is_its_equations():
    network = drawn(vggish.Network())
    assert sum(p.numel() for p in network.parameters()) == 72_141_184  # as published
    state = network.state_dict()
    x = torch.rand(2, 1, 96, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        found, y = network(x), x
        for place, pooled in ((0, 1), (3, 1), (6, 0), (8, 1), (11, 0), (13, 1)):
            y = functional.relu(
                functional.conv2d(
                    y, state[f"features.{place}.weight"], state[f"features.{place}.bias"], padding=1
                )
            )
            y = functional.max_pool2d(y, 2) if pooled else y
        flat = torch.stack([torch.cat([y[n, :, r, c] for r in range(6) for c in range(4)]) for n in range(2)])
        for place in (0, 2, 4):
            flat = functional.relu(
                functional.linear(
                    flat, state[f"embeddings.{place}.weight"], state[f"embeddings.{place}.bias"]
                )
            )
        torch.testing.assert_close(found, flat, rtol=1e-4, atol=1e-5)


def test_components_become_whole_numbers():
    components = vggish.Components()
    components.pca_eigen_vectors.copy_(2 * torch.eye(128))
    components.pca_means.fill_(0.5)
    found = components(torch.tensor([0.5, 1.0, -9.0, 9.0]).repeat_interleave(32)[None])
    # 2 (x - 0.5) is 0, 1, below -2 and above 2; (y + 2) 255 / 4 is 127.5, 191.25, 0 and 255
    assert found[0, [0, 32, 64, 96]].tolist() == [128.0, 191.0, 0.0, 255.0]


@pytest.fixture
def vggish_files(tmp_path, monkeypatch):
    """Weights drawn by chance, under the published names, which count as published here."""
    network, components = drawn(vggish.Network()), drawn(vggish.Components())
    torch.save(network.state_dict(), tmp_path / "vggish-10086976.pth")
    torch.save(components.state_dict(), tmp_path / "vggish_pca_params-970ea276.pth")
    monkeypatch.setattr(vggish, "PUBLISHED", {digits(tmp_path / "vggish-10086976.pth"): "drawn"})
    monkeypatch.setattr(
        vggish, "PUBLISHED_PCA", {digits(tmp_path / "vggish_pca_params-970ea276.pth"): "drawn"}
    )
    return tmp_path / "vggish-10086976.pth"


def digits(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()[:8]


def test_vggish_from_files(vggish_files):
    encoder = make_encoder("vggish", "acoustic", vggish_files)
    sound = (0.3 * np.sin(2 * np.pi * 440 * T)).astype(np.float32)
    vector, short = encoder.encode([sound, sound[:15_000]])
    assert vector.shape == (128,)
    assert ((vector >= 0) & (vector <= 255)).all()
    assert str(short) == "less than 0.96 s of sound"
    assert encoder.provenance.weights.count("+") == 1


def test_weights_are_those_that_were_published(tmp_path, monkeypatch, refusal):
    network = torch.nn.Linear(2, 2)
    path = tmp_path / "own.pth"
    torch.save(network.state_dict(), path)
    with pytest.raises(DataError, match=r"SHA-256 begins with one of 0676ba61 \(ImageNet, version 1\)"):
        resnet.ResNet50(path)
    monkeypatch.setattr(resnet, "PUBLISHED", {digits(path): "own"})
    with pytest.raises(DataError, match="expected the weights of resnet"):
        resnet.ResNet50(path)
    path.write_bytes(b"nothing")
    monkeypatch.setattr(resnet, "PUBLISHED", {digits(path): "own"})
    with pytest.raises(StorageError, match="expected a whole weights file"):
        resnet.ResNet50(path)


def test_a_pickle_is_not_run(tmp_path):
    class Harm:
        def __reduce__(self):
            return (print, ("harm",))

    path = tmp_path / "harm.pth"
    torch.save({"fc.weight": Harm()}, path)
    with pytest.raises(StorageError):
        weights.read_state(path)


def test_safetensors_do_as_well(tmp_path):
    network, other = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    save_file(network.state_dict(), tmp_path / "linear.safetensors")
    published = {digits(tmp_path / "linear.safetensors"): "own"}
    found = weights.read_weights(other, tmp_path / "linear.safetensors", "", published)
    assert len(found) == 64
    torch.testing.assert_close(other.weight, network.weight)


def test_weights_are_downloaded_once_and_checked(tmp_path, monkeypatch, refusal):
    content = tmp_path / "content"
    torch.save(torch.nn.Linear(3, 2).state_dict(), content)
    there = tmp_path / f"linear-{digits(content)}.pth"
    content.rename(there)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    path = weights.downloaded(there.as_uri())
    assert path.read_bytes() == there.read_bytes()
    there.unlink()
    assert weights.downloaded(there.as_uri()) == path
    wrong = tmp_path / "linear-00000000.pth"
    wrong.write_bytes(path.read_bytes())
    assert "invalid hash value" in refusal(ConfigError, weights.downloaded, wrong.as_uri())
    assert not (tmp_path / "hub" / "checkpoints" / wrong.name).exists()


def test_pictures_are_normalised():
    pictures = np.zeros((1, 2, 2, 3), np.uint8)
    pictures[0, 0, 1] = (255, 0, 51)
    found = weights.normalised(pictures, (0.5, 0.0, 0.1), (0.5, 1.0, 0.2))
    assert found.shape == (1, 3, 2, 2)
    np.testing.assert_allclose(found[0, :, 0, 1], [1.0, 0.0, 0.5], atol=1e-6)


def test_a_clip_is_the_mean_of_its_pictures():
    encoder = EfficientNetLite0()
    pictures = np.random.default_rng(0).integers(0, 256, (5, 224, 224, 3)).astype(np.uint8)
    one, *others = encoder.encode([pictures, *pictures[:, None]])
    np.testing.assert_allclose(one, np.mean(others, axis=0), atol=1e-4)


def test_sounds_that_are_alike_are_near():
    rng = np.random.default_rng(0)
    encoder = SpeechEmbedding()
    low, high = (0.3 * np.sin(2 * np.pi * f * T) for f in (200, 3000))
    noise = 0.1 * rng.standard_normal((2, len(T)))
    vectors = encoder.encode([x.astype(np.float32) for x in (low, low * 0.8, high, *noise)])
    near = np.linalg.norm(vectors[0] - vectors[1])
    assert all(near < np.linalg.norm(vectors[0] - other) / 2 for other in vectors[2:])
    assert np.linalg.norm(vectors[3] - vectors[4]) < np.linalg.norm(vectors[3] - vectors[0]) / 2
    silent, short = encoder.encode([np.zeros(32_000, np.float32), low[:9_000].astype(np.float32)])
    assert (str(silent), str(short)) == ("silence", "less than 0.8 s of sound")


def test_texts_that_mean_the_same_are_near():
    encoder = MiniLM()
    cat, kitten, stock = encoder.encode(
        ["A cat sleeps on the sofa.", "A kitten naps on the couch.", "Shares fell on Monday."]
    )
    assert cat @ kitten > cat @ stock + 0.3
    assert np.linalg.norm(cat) == pytest.approx(1, abs=1e-5)


def test_sif_by_name(tmp_path, refusal):
    path = tmp_path / "vectors.txt"
    path.write_text("a 1 0\nb 0 1\n", encoding="utf-8")
    encoder = make_encoder("sif", "textual", path)
    both, unknown, rest = encoder.encode(["a b", "c", "a"])
    assert str(unknown) == "no word of it has a vector"
    assert both.shape == rest.shape == (2,)
    assert str(encoder.provenance) == f"sif {digits(path)}{encoder.provenance.weights[8:12]}"
    assert "--textual minilm" in refusal(ConfigError, make_encoder, "sif", "textual")


def test_those_that_bring_their_weights_take_no_others(tmp_path, refusal):
    for name, modality in (
        ("minilm", "textual"),
        ("efficientnet-lite0", "visual"),
        ("speech-embedding", "acoustic"),
    ):
        encoder = make_encoder(name, modality)
        assert isinstance(encoder, Encoder)
        assert len(encoder.provenance.weights) == 64
        assert "brings its own" in refusal(ConfigError, make_encoder, name, modality, tmp_path)
