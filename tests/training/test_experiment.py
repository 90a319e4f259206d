"""Settings of one run from a file, from flags, and from both."""

import tomllib
from typing import Literal

import pytest

from reelmix.errors import ConfigError, StorageError
from reelmix.evaluation import EvaluationConfig
from reelmix.models import MODELS
from reelmix.recommender.experiment import Experiment, RunOptions
from reelmix.settings import DataSize, ModelSettings, Preset, preset_by_size
from reelmix.training.config import TrainingConfig


class PlainConfig(ModelSettings):
    embedding_size: int = 16
    colour: Literal["red", "blue"] | None = None


CONFIGS = {"dualgnn": MODELS["dualgnn"].Config, "plain": PlainConfig}

FILE = """
[run]
rng = 5
split = "random"

[model]
name = "plain"
embedding_size = 8

[training]
learning_rate = 0.5
epochs = 7

[evaluation]
at = [3]
metrics = ["ndcg"]
"""


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "config.toml"
        path.write_text(text)
        return path

    return write


def refused(**given):
    with pytest.raises((ConfigError, StorageError)) as caught:
        Experiment.read(CONFIGS, **given)
    return str(caught.value)


def test_nothing_given_is_all_defaults():
    found = Experiment.read(CONFIGS)
    assert found == Experiment(
        "dualgnn", CONFIGS["dualgnn"](), TrainingConfig(), EvaluationConfig(), RunOptions()
    )


def test_every_table_of_a_file_is_read(file):
    assert Experiment.read(CONFIGS, file=file(FILE)) == Experiment(
        "plain",
        PlainConfig(embedding_size=8),
        TrainingConfig(learning_rate=0.5, epochs=7),
        EvaluationConfig(at=(3,), metrics=("ndcg",)),
        RunOptions(rng=5, split="random"),
    )


def test_flags_go_before_the_file_and_the_file_before_defaults(file):
    flags = {"epochs": 9, "embedding_size": 4, "rng": 6, "at": (2, 4)}
    found = Experiment.read(CONFIGS, file=file(FILE), flags=flags)
    assert (found.training.epochs, found.settings.embedding_size) == (9, 4)
    assert (found.run.rng, found.evaluation.at) == (6, (2, 4))
    assert (found.training.learning_rate, found.run.split) == (0.5, "random")
    assert found.training.batch_size == TrainingConfig().batch_size


def test_model_by_argument_goes_before_the_one_in_the_file(file):
    text = '[model]\nname = "plain"\nembedding_size = 8\n'
    found = Experiment.read(CONFIGS, file=file(text), model="dualgnn")
    assert (found.model, type(found.settings)) == ("dualgnn", CONFIGS["dualgnn"])
    assert found.settings.embedding_size == 8


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "[trainin]\nepochs = 3\n",
            "expected the tables run, model, training, evaluation, found 'trainin'. Did you mean 'training'?",
        ),
        (
            "epochs = 3\n",
            "expected the tables run, model, training, evaluation, found 'epochs'. "
            "Valid names: evaluation, model, run, training.",
        ),
        (
            "training = 3\n",
            "training: expected a table [training], found 3. "
            "Write [training] on a line of its own, and its settings below.",
        ),
    ],
)
def test_unknown_table(file, text, expected):
    path = file(text)
    assert refused(file=path) == f"{path}: {expected}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "[training]\nepoch = 3\n",
            "training: expected a known setting, found 'epoch'. Did you mean 'epochs'?",
        ),
        (
            "[model]\nneighbors = 3\n",
            "model: expected a known setting, found 'neighbors'. Did you mean 'neighbours'?",
        ),
        ("[run]\nseed = 3\n", "run: expected a known setting, found 'seed'. Valid names: rng, split."),
        (
            "[evaluation]\nmetric = ['recall']\n",
            "evaluation: expected a known setting, found 'metric'. Did you mean 'metrics'?",
        ),
        (
            "[training]\nepochs = 0\n",
            "training: epochs: expected greater than or equal to 1, found 0. "
            "See the description of epochs in the configuration reference.",
        ),
        (
            "[run]\nsplit = 'half'\n",
            "run: split: expected 'given', 'random', 'leave_one_out' or 'time', found 'half'. "
            "See the description of split in the configuration reference.",
        ),
    ],
)
def test_setting_that_is_wrong_names_file_table_and_setting(file, text, expected):
    path = file(text)
    assert refused(file=path) == f"{path}, {expected}"


def test_setting_of_another_model(file):
    path = file('[model]\nname = "plain"\nlayers = 2\n')
    assert refused(file=path) == (
        f"{path}, model: expected a known setting, found 'layers'. Valid names: colour, embedding_size."
    )


def test_unknown_flag_names_the_nearest_of_all_tables():
    assert refused(flags={"epcohs": 3}) == (
        "flags: expected a setting of dualgnn, found 'epcohs'. Did you mean 'epochs'?"
    )


def test_flag_of_another_model_names_it():
    assert refused(flags={"layers": 3}, model="plain") == (
        "flags: expected a setting of plain, found 'layers'. It belongs to dualgnn: add --model dualgnn."
    )


def test_flag_out_of_range():
    assert refused(flags={"batch_size": 0}) == (
        "settings, training: batch_size: expected greater than or equal to 1, found 0. "
        "See the description of batch_size in the configuration reference."
    )


@pytest.mark.parametrize("given", ["argument", "file"])
def test_unknown_model(file, given):
    by = {"model": "dualgn"} if given == "argument" else {"file": file('[model]\nname = "dualgn"\n')}
    assert refused(**by) == "model: expected a model, found 'dualgn'. Did you mean 'dualgnn'?"


def test_file_that_is_not_there_or_not_toml(file, tmp_path):
    assert refused(file=tmp_path / "none.toml") == (
        f"{tmp_path / 'none.toml'}: expected a TOML file, found nothing. "
        "Check the path; relative paths start in the present folder."
    )
    path = file("[training\nepochs = 3\n")
    text = refused(file=path)
    assert text.startswith(f"{path}: expected valid TOML, found ")
    assert "line 1" in text
    assert text.endswith(". Correct that line and try again.")


@pytest.mark.parametrize("model", sorted(MODELS))
def test_what_is_written_is_what_is_read(file, model):
    configs = {name: found.Config for name, found in MODELS.items()}
    flags = {"learning_rate": 1e-5, "at": (1, 7), "rng": 3, "split": "time", "embedding_size": 3}
    experiment = Experiment.read(configs, model=model, flags=flags)
    assert Experiment.read(configs, file=file(experiment.toml())) == experiment


def test_round_trip_leaves_out_what_is_none(file):
    experiment = Experiment.read(CONFIGS, model="plain")
    tables = tomllib.loads(experiment.toml())
    assert tables["model"] == {"name": "plain", "embedding_size": 16}
    assert tables["run"] == {"rng": 0}
    assert Experiment.read(CONFIGS, file=file(experiment.toml())) == experiment


def test_what_must_agree_to_go_on():
    plain = Experiment.read(CONFIGS)
    for flags in ({"epochs": 3}, {"at": (3,)}, {"metrics": ("mrr",)}):
        assert Experiment.read(CONFIGS, flags=flags).identity() == plain.identity()
    for flags in ({"rng": 3}, {"learning_rate": 0.3}, {"layers": 1}, {"split": "time"}, {"patience": 2}):
        assert Experiment.read(CONFIGS, flags=flags).identity() != plain.identity()
    assert Experiment.read(CONFIGS, model="plain").identity() != plain.identity()


def test_split_spelt_out():
    found = Experiment.read(CONFIGS, flags={"rng": 3}).with_split("time")
    assert found.run == RunOptions(rng=3, split="time")


# Presets


class SizedConfig(PlainConfig):
    presets = {  # noqa: RUF012
        "few": Preset("few", {"embedding_size": (4, "enough"), "learning_rate": (0.2, "quick")}, up_to=10),
        "many": Preset("many", {"embedding_size": (64, "room")}, up_to=1e9),
        "paper": Preset("comparisons", {"colour": ("red", "the paper's")}),
    }


SIZED = {"sized": SizedConfig, "plain": PlainConfig}


@pytest.mark.parametrize(
    ("preset", "per_user", "expected"),
    [
        ("few", 500.0, (4, 0.2, None)),
        ("auto", 3.0, (4, 0.2, None)),
        ("auto", 10.0, (4, 0.2, None)),
        ("auto", 10.1, (64, 1e-3, None)),
        ("paper", 3.0, (16, 1e-3, "red")),
    ],
)
def test_a_preset_sets_model_and_training(preset, per_user, expected):
    found = Experiment.read(SIZED, preset=preset, size=DataSize(10_000, per_user))
    settings = found.settings
    assert (settings.embedding_size, found.training.learning_rate, settings.colour) == expected


def test_the_file_and_the_flags_go_before_a_preset(file):
    path = file('[model]\nname = "sized"\nembedding_size = 5\n')
    found = Experiment.read(SIZED, file=path, preset="few", flags={"learning_rate": 0.7})
    assert (found.settings.embedding_size, found.training.learning_rate) == (5, 0.7)
    found = Experiment.read(SIZED, preset="few", flags={"embedding_size": 9})
    assert (found.settings.embedding_size, found.training.learning_rate) == (9, 0.2)


def test_no_such_preset(refusal):
    assert refusal(ConfigError, Experiment.read, SIZED, preset="fewer") == (
        "preset: expected a preset of sized, found 'fewer'. Did you mean 'few'?"
    )
    assert refusal(ConfigError, Experiment.read, SIZED, model="plain", preset="auto") == (
        "preset: expected no preset, since plain has none, found 'auto'. "
        "Leave --preset out, or search: reelmix tune --models plain."
    )


@pytest.mark.parametrize("model", [name for name in MODELS if MODELS[name].Config.presets])
def test_presets_are_settings_and_have_reasons(model):
    config = MODELS[model].Config
    for name, preset in config.presets.items():
        found = Experiment.read({model: config}, preset=name)
        for key, (value, why) in preset.values.items():
            holder = found.settings if key in config.model_fields else found.training
            assert getattr(holder, key) == value
            assert why


@pytest.mark.parametrize(
    ("model", "expected"),
    [("reelmix", "short short short short long long"), ("dualgnn", "short short long long long long")],
)
def test_auto_goes_by_how_much_the_person_in_the_middle_watched(model, expected):
    sizes = [DataSize(10**6, per_user) for per_user in (3.0, 4.0, 4.5, 6.0, 6.5, 10.0**8)]
    found = [preset_by_size(MODELS[model].Config, size) for size in sizes]
    assert found == [f"{name}_histories" for name in expected.split()]


def test_what_reelmix_has_without_a_preset_suits_short_histories():
    configs = {"reelmix": MODELS["reelmix"].Config}
    few, many = DataSize(10**6, 3), DataSize(10**6, 60)
    assert Experiment.read(configs) == Experiment.read(configs, preset="auto", size=few)
    assert Experiment.read(configs) != Experiment.read(configs, preset="auto", size=many)


@pytest.mark.parametrize(
    ("interactions", "batch"),
    [
        (10**9, 16_384),
        (2**21 + 1, 16_384),
        (2**20 + 1, 8192),
        (2**20, 4096),
        (65_536, 4096),
        (65_535, 2048),
        (9_000, 512),
        (500, 256),
    ],
)
def test_batches_go_by_the_size_of_the_data_with_a_preset_that_does(interactions, batch):
    size = DataSize(interactions, 3)
    configs = {name: MODELS[name].Config for name in ("reelmix", "dualgnn")}
    for preset in ("auto", "short_histories"):
        assert Experiment.read(configs, preset=preset, size=size).training.batch_size == batch
    assert Experiment.read(configs, size=size).training.batch_size == 4096
    papers = dict(configs["dualgnn"].presets["paper"].values)["batch_size"][0]
    read = Experiment.read(configs, model="dualgnn", preset="paper", size=size)
    assert read.training.batch_size == papers  # a comparison with the paper keeps the paper's
