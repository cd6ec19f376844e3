"""Inference: right, the same by every door, and refusing what it cannot do."""

import json
from importlib import resources

import numpy as np
import pytest

from langroute.errors import ConfigError
from langroute.lab.catalog import CONTEXT_WINDOW, NEIGHBOURS, ROTARY_BASE, SHAPES, rates_of
from langroute.lab.engine import MODEL_NAMES, LabModel, load_from
from langroute.lab.vocabulary import PAD, USER, encode_text, vocabulary_hash
from langroute.lab.world import sample_task

PROMPTS = [[USER, *encode_text(sample_task(seed).problem), USER, *encode_text("plan")] for seed in range(8)]


def naive_logits(name: str, tokens: list[int]) -> np.ndarray:
    """Return the logits after the last token by the plainest sums: no cache, no batch, double precision."""
    shape = SHAPES[name]
    with (resources.files("langroute.lab") / "weights" / f"{name}.npz").open("rb") as file, np.load(file) as saved:
        w = {key: saved[key].astype(np.float64) for key in saved.files}
    head, pairs = shape.width // shape.heads, shape.width // shape.heads // 4
    frequencies = [ROTARY_BASE ** (-pair / pairs) for pair in range(pairs)]

    def norm(x: np.ndarray, gain: np.ndarray) -> np.ndarray:
        return x / np.sqrt((x**2).mean() + 1e-5) * gain

    def turn(x: np.ndarray, position: int) -> np.ndarray:
        out = x.copy()
        for pair, frequency in enumerate(frequencies):
            c, s = np.cos(position * frequency), np.sin(position * frequency)
            out[pair] = x[pair] * c - x[pairs + pair] * s
            out[pairs + pair] = x[pair] * s + x[pairs + pair] * c
        return out

    stream = []
    for place, token in enumerate(tokens):
        x = w["embed"][token].copy()
        for back in range(1, NEIGHBOURS + 1):
            x += w["embed"][tokens[place - back] if place >= back else PAD] @ w["before"][back - 1]
        stream.append(x)
    for index in range(shape.layers):
        layer = {key.split(".")[-1]: value for key, value in w.items() if key.startswith(f"layers.{index}.")}
        qkv = [norm(x, layer["norm1"]) @ layer["qkv"] for x in stream]
        after = []
        for place, x in enumerate(stream):
            mixed = []
            for h in range(shape.heads):
                span = slice(h * head, (h + 1) * head)
                q = turn(qkv[place][: shape.width][span], place)
                keys = [turn(qkv[i][shape.width : 2 * shape.width][span], i) for i in range(place + 1)]
                scores = np.array([q @ key for key in keys]) / np.sqrt(head)
                chances = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
                mixed.append(sum(chances[i] * qkv[i][2 * shape.width :][span] for i in range(place + 1)))
            y = x + np.concatenate(mixed) @ layer["out"]
            after.append(y + np.maximum(norm(y, layer["norm2"]) @ layer["up"], 0) ** 2 @ layer["down"])
        stream = after
    return norm(stream[-1], w["norm"]) @ w["embed"].T


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_cached_inference_equals_the_plain_sums(name: str) -> None:
    """Token by token with a cache gives the logprobs that recomputing everything gives."""
    model, tokens = LabModel.load(name), list(PROMPTS[1])
    for out in model.complete(tokens, max_tokens=6).tokens:
        logits = naive_logits(name, tokens)
        logprobs = logits - logits.max() - np.log(np.exp(logits - logits.max()).sum())
        assert out.logprob == pytest.approx(logprobs[out.token], abs=2e-3)
        assert out.token == int(logprobs.argmax())
        tokens.append(out.token)


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_torch_gives_the_same(name: str) -> None:
    """The network that was trained and the numpy engine are the same function."""
    torch = pytest.importorskip("torch", reason="torch comes with the extra lab-train")
    from langroute.lab.network import Decoder  # noqa: PLC0415 - needs torch

    model, tokens = LabModel.load(name), PROMPTS[2]
    network = Decoder(SHAPES[name])
    with (resources.files("langroute.lab") / "weights" / f"{name}.npz").open("rb") as file, np.load(file) as saved:
        network.load_state_dict({key: torch.from_numpy(saved[key]).float() for key in saved.files})
    padded = [PAD] * NEIGHBOURS + tokens
    previous = [[padded[i + NEIGHBOURS - back] for back in range(1, NEIGHBOURS + 1)] for i in range(len(tokens))]
    mask = torch.full((len(tokens), len(tokens)), float("-inf")).triu(1)[None, None]
    wanted = torch.zeros(1, len(tokens), dtype=torch.bool)
    wanted[0, -1] = True
    with torch.no_grad():
        logits = network(
            torch.tensor([tokens]), torch.tensor([previous]), torch.arange(len(tokens))[None], mask, wanted
        )
    first = model.complete(tokens, max_tokens=1).tokens[0]
    assert first.logprob == pytest.approx(float(logits.log_softmax(-1).max()), abs=1e-3)
    assert first.token == int(logits.argmax())


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_batch_equals_one_by_one(name: str) -> None:
    """Prompts of different lengths in one batch get the replies they would get alone, in their order."""
    model = LabModel.load(name)
    prompts = [*PROMPTS, PROMPTS[0][:7], [USER]]
    for prompt, together in zip(prompts, model.complete_batch(prompts, max_tokens=30), strict=True):
        alone = model.complete(prompt, max_tokens=30)
        assert (together.ids, together.finish_reason) == (alone.ids, alone.finish_reason)
        assert together.mean_logprob == pytest.approx(alone.mean_logprob, abs=1e-3)


def test_streaming_gives_what_complete_gives() -> None:
    """A stream is the same reply in pieces, cut off at the same limit."""
    model = LabModel.load("lab-small")
    assert tuple(model.stream(PROMPTS[0], max_tokens=30)) == model.complete(PROMPTS[0], max_tokens=30).tokens
    assert len(list(model.stream(PROMPTS[0], max_tokens=2))) == 2
    assert model.complete(PROMPTS[0], max_tokens=2).finish_reason == "length"


def test_sampling_is_seeded_and_logprobs_are_the_models() -> None:
    """A seed repeats a draw; logprobs are natural, negative, and the likeliest tokens come best first."""
    model = LabModel.load("lab-small")
    draws = [model.complete(PROMPTS[0], max_tokens=12, temperature=6.0, seed=seed) for seed in (1, 1, 2, 3, 4)]
    assert draws[0] == draws[1]
    assert len({draw.ids for draw in draws}) > 1
    for out in draws[0].tokens:
        values = [logprob for _, logprob in out.top]
        assert len(values) == 5
        assert values == sorted(values, reverse=True)
        assert values[0] >= out.logprob
        assert out.logprob <= 0


def test_bad_prompts_are_refused() -> None:
    """An empty prompt, one that fills the window and one of unknown tokens are errors that say so."""
    model = LabModel.load("lab-small")
    with pytest.raises(ValueError, match="empty"):
        model.complete([], max_tokens=1)
    with pytest.raises(ValueError, match="context window"):
        model.complete([USER] * CONTEXT_WINDOW, max_tokens=1)
    with pytest.raises(ValueError, match="vocabulary"):
        model.complete_batch([[USER], [100_000]], max_tokens=1)
    nearly_full = [USER] * (CONTEXT_WINDOW - 2)
    assert len(model.complete(nearly_full, max_tokens=50).tokens) <= 2


def test_unknown_models_are_refused_by_name() -> None:
    """The error names the models there are."""
    with pytest.raises(ConfigError, match="lab-small, lab-medium, lab-large"):
        LabModel.load("gpt-5")


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_cards_say_what_the_weights_are(name: str) -> None:
    """Each card fits its weights, this vocabulary and the stated prices."""
    model = LabModel.load(name)
    assert model.card["vocabulary"] == vocabulary_hash()
    assert model.card["parameters"] == model.parameters == SHAPES[name].parameters
    assert model.card["steps"] > 0
    assert model.card["training_cpu_minutes"] > 0
    assert model.rates == rates_of(model.parameters)
    assert model.context_window == CONTEXT_WINDOW


def test_prices_span_the_ladder() -> None:
    """The dearest model costs 20 to 60 times the cheapest, output four times input, cached input a quarter."""
    rates = [LabModel.load(name).rates for name in MODEL_NAMES]
    assert 20 <= rates[2].input_per_million / rates[0].input_per_million <= 60
    for rate in rates:
        assert rate.output_per_million == pytest.approx(4 * rate.input_per_million)
        assert rate.cached_input_per_million == pytest.approx(rate.input_per_million / 4)
        assert all(round(value, 6) == value for value in (rate.input_per_million, rate.cached_input_per_million))


def test_weights_are_small() -> None:
    """All weights together stay under 10 MB."""
    folder = resources.files("langroute.lab") / "weights"
    assert sum(len((folder / f"{name}.npz").read_bytes()) for name in MODEL_NAMES) < 10_000_000


def test_weights_of_another_vocabulary_are_refused(tmp_path) -> None:
    """Weights trained for other words are an error that says how to mend it, not nonsense."""
    folder = resources.files("langroute.lab") / "weights"
    card = json.loads((folder / "lab-small.json").read_text(encoding="utf-8"))
    (tmp_path / "lab-small.json").write_text(json.dumps({**card, "vocabulary": "other"}))
    with pytest.raises(ConfigError, match=r"python -m langroute\.lab\.train"):
        load_from(tmp_path, "lab-small")
    (tmp_path / "lab-small.json").write_text(json.dumps({**card, "shape": {**card["shape"], "width": 99}}))
    (tmp_path / "lab-small.npz").write_bytes((folder / "lab-small.npz").read_bytes())
    with pytest.raises(ConfigError, match="the shape has"):
        load_from(tmp_path, "lab-small")
