"""Settings that do not exist or are out of range, and words that no command has."""

import pytest
from transcripts import filled, transcript


@pytest.mark.parametrize(
    ("words", "message"),
    transcript("""
$ reelmix train DATA --out TMP/out --model dualgn
    model: expected a model, found 'dualgn'. Did you mean 'dualgnn'?
$ reelmix train DATA --out TMP/out --modalities visuel
    modalities: expected a modality of this dataset, found 'visuel'. Did you mean 'visual'?
$ reelmix train DATA --out TMP/out --modalities visual,smell
    modalities: expected a modality of this dataset, found 'smell'. Valid names: acoustic, textual, visual.
$ reelmix train DATA --out TMP/out --device gpu
    device: expected a device that torch can use here, found 'gpu'.
    Leave it out to train on the CPU; reelmix doctor lists what there is.
$ reelmix train DATA --out TMP/out --device cuda:99
    device: expected a device that torch can use here, found 'cuda:99'.
    Leave it out to train on the CPU; reelmix doctor lists what there is.
$ reelmix train DATA --out TMP/out --epochs 0
    settings, training: epochs: expected greater than or equal to 1, found 0.
    See the description of epochs in the configuration reference.
$ reelmix train DATA --out TMP/out --learning-rate nan
    settings, training: learning_rate: expected a finite number, found nan.
    See the description of learning_rate in the configuration reference.
$ reelmix train DATA --out TMP/out --embedding-size 0
    settings, model: embedding_size: expected greater than or equal to 1, found 0.
    See the description of embedding_size in the configuration reference.
$ reelmix train DATA --out TMP/out --rng -1
    settings, run: rng: expected greater than or equal to 0, found -1.
    See the description of rng in the configuration reference.
$ reelmix train DATA --out TMP/out --validation-metric recall
    settings, training: validation_metric: expected a metric and a depth such as recall@20, found 'recall'.
    See the description of validation_metric in the configuration reference.
$ reelmix train DATA --out TMP/out --metrics recal
    metrics: expected the name of a metric, found 'recal'. Did you mean 'recall'?
"""),
)
def test_bad_flags(mistaken, tmp_path, words, message):
    mistaken(words, message)
    assert not list(tmp_path.iterdir())


UNCLOSED = "Expected ']' at the end of a table declaration (at line 1, column 10)"
FILES = {
    "[training]\nepoch = 2": (
        "FILE, training: expected a known setting, found 'epoch'. Did you mean 'epochs'?"
    ),
    "[model]\nname = 'dualgnn'\nneighbors = 2": (
        "FILE, model: expected a known setting, found 'neighbors'. Did you mean 'neighbours'?"
    ),
    "[model]\nname = 'DualGNN'": (
        "model: expected a model, found 'DualGNN'. Valid names: dualgnn, lightgcn, lr_gccf, mmgcn, "
        "reelmix, star_gcn, vbpr."
    ),
    "[modle]\nneighbours = 2": (
        "FILE: expected the tables run, model, training, evaluation, found 'modle'. Did you mean 'model'?"
    ),
    "training = 3": (
        "FILE: training: expected a table [training], found 3. Write [training] on a line of its own, and "
        "its settings below."
    ),
    "[training]\nepochs = 'ten'": (
        "FILE, training: epochs: expected a valid integer, unable to parse string as an integer, found "
        "'ten'. See the description of epochs in the configuration reference."
    ),
    "[training]\nlearning_rate = -1": (
        "FILE, training: learning_rate: expected greater than 0, found -1. See the description of "
        "learning_rate in the configuration reference."
    ),
    "[run]\nsplit = 'tim'": (
        "FILE, run: split: expected 'given', 'random', 'leave_one_out' or 'time', found 'tim'. See the "
        "description of split in the configuration reference."
    ),
    "[evaluation]\nat = []": (
        "at: expected one or more list lengths of at least 1, found []. "
        "Write for example at = [1, 5, 10, 20]."
    ),
    "[training\nepochs = 2": (
        f"FILE: expected valid TOML, found {UNCLOSED}. Correct that line and try again."
    ),
}


@pytest.mark.parametrize(("toml", "message"), FILES.items(), ids=FILES)
def test_bad_files(mistaken, tmp_path, toml, message):
    path = tmp_path / "my.toml"
    path.write_text(toml)
    mistaken(["train", "DATA", "--out", "TMP/out", "--config", path], message, FILE=path)
    assert list(tmp_path.iterdir()) == [path]


# Words that no command has


@pytest.mark.parametrize(
    ("words", "message"),
    transcript("""
$ reelmix tran
    No such command: tran. Did you mean 'train'? See reelmix --help.
$ reelmix --versoin
    No such option: --versoin (Possible options: --version). See reelmix --help.
$ reelmix train
    Missing argument 'data'. See reelmix train --help.
$ reelmix train DATA
    Missing option '--out'. See reelmix train --help.
$ reelmix train DATA --out TMP/out --epoch 3
    No such option: --epoch (Possible options: --epochs). See reelmix train --help.
$ reelmix train DATA --out TMP/out --neighbors 3
    No such option: --neighbors (Possible options: --eigenvectors, --neighbours). See reelmix train --help.
$ reelmix recommend RUN --user
    Option '--user' requires an argument. See reelmix --help.
$ reelmix evaluate RUN --at 1,x
    Invalid value for '--at': expected numbers such as 1,5,10, found '1,x'. See reelmix evaluate --help.
$ reelmix evaluate RUN --stage tset
    Invalid value for '--stage': 'tset' is not one of 'test', 'validation'. See reelmix evaluate --help.
$ reelmix train DATA --out TMP/out --split tim
    Invalid value for '--split': 'tim' is not one of 'given', 'random', 'leave_one_out', 'time'.
    See reelmix train --help.
$ reelmix export RUN TMP/v --to csv
    Invalid value for '--to': 'csv' is not one of 'npz', 'safetensors', 'parquet', 'lancedb', 'pgvector',
    'onnx'. See reelmix export --help.
"""),
)
def test_words_that_mean_nothing(mistaken, tmp_path, words, message):
    mistaken(words, message, status=2)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "option"),
    transcript("""
$ reelmix train DATA --out TMP/out --epochs many
    '--epochs'
$ reelmix train DATA --out TMP/out --threads 0
    '--threads'
$ reelmix sample TMP/out --rng -1
    '--rng'
$ reelmix demo --out TMP/out --rng -1
    '--rng'
$ reelmix demo --out TMP/out --epochs 0
    '--epochs'
$ reelmix recommend RUN --user user-1 -n ten
    '--n' / '-n'
$ reelmix import table DATA TMP/out --k-core 0
    '--k-core'
"""),
)
def test_what_is_no_number_or_out_of_range(refused, data, run_folder, tmp_path, words, option):
    places = {"DATA": data, "RUN": run_folder, "TMP": tmp_path}
    message = refused(*(filled(word, **places) for word in words), status=2)
    assert message.startswith(f"Invalid value for {option}: ")  # then in typer's own words
    assert message.endswith(f". See reelmix {words[0]} --help.")
    assert not list(tmp_path.iterdir())


def test_the_bare_word_shows_the_commands(reelmix):
    done = reelmix()
    assert done.status == 2
    assert "error" not in done.err
    for command in ("demo", "train", "recommend", "doctor"):
        assert f" {command} " in done.out + done.err
