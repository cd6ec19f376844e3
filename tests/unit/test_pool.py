"""The model pool: what it builds, in which order, and what it refuses."""

import subprocess
import sys
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel, FakeListChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_openai import AzureChatOpenAI, ChatOpenAI

from langroute.errors import ConfigError, PriceUnknown
from langroute.money import Price
from langroute.pool import ModelPool
from langroute.pool_models import prepared_model

CHEAP = Price(input_per_million=1, output_per_million=1)
DEAR = Price(input_per_million=10, output_per_million=10)


class Plain(BaseChatModel):
    """A chat model of nobody's provider, with fields for whatever a test wants to say."""

    model: str = "plain-1"
    profile: dict[str, Any] | None = None  # type: ignore[assignment]
    n: int = 1
    model_kwargs: dict[str, Any] | None = None
    extra_body: dict[str, Any] | None = None
    thinking: dict[str, Any] | None = None
    service_tier: str | None = None
    client: Any = None
    max_tokens: int | None = None

    @property
    def _llm_type(self) -> str:
        return "plain"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage("yes"))])


class Tooled(Plain):
    """The same, and tools can be bound to it."""

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        """Bind them as plain arguments."""
        return self.bind(tools=tools, **kwargs)


class ThroughTools(Tooled):
    """The same, and a schema is bound as a tool."""

    def with_structured_output(self, schema: Any, *, method: str = "function_calling", **kwargs: Any) -> Any:
        """Bind it as a plain argument."""
        return self.bind(schema=schema, method=method, **kwargs)


class Native(Tooled):
    """The same, and a schema is bound in the provider's own way."""

    def with_structured_output(self, schema: Any, *, method: str = "json_schema", **kwargs: Any) -> Any:
        """Bind it as a plain argument."""
        return self.bind(schema=schema, method=method, **kwargs)


class Googlish(Plain):
    """A model that limits its output under Google's name."""

    max_output_tokens: int | None = None


class Lazy(Plain):
    """A model that builds its client when it is first needed."""

    max_retries: int = 2

    @cached_property
    def _lazy_client(self) -> int:
        return self.max_retries


class Ollamaish(Plain):
    """A model that takes its limit among its options."""

    num_predict: int | None = None
    num_ctx: int | None = 4096
    temperature: float | None = None


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none-needed")
    for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE"):
        monkeypatch.delenv(name, raising=False)


def _arm(model: BaseChatModel, **options: Any) -> Any:
    return ModelPool({"a": model}, prices={"a": CHEAP}, **options).arm("a")


def test_arms_keep_the_order_given_and_rank_by_price() -> None:
    """Arms come as given; ranks are evenly spaced over the order by price of a typical call."""
    pool = ModelPool(
        {"large": Plain(), "small": Plain(), "medium": Plain()},
        prices={"large": DEAR, "small": CHEAP, "medium": Price(input_per_million=2, output_per_million=2)},
    )
    assert pool.names == ("large", "small", "medium")
    assert [arm.rank for arm in pool.arms] == [1.0, 0.0, 0.5]
    assert (pool.cheapest.name, pool.dearest.name) == ("small", "large")
    assert len(pool) == 3
    assert "small" in pool


def test_arms_of_one_price_keep_their_order() -> None:
    """Of equal prices the first arm is the cheapest and the last the dearest."""
    pool = ModelPool([("one", Plain()), ("two", Plain())], prices={"plain-1": CHEAP})
    assert (pool.cheapest.name, pool.dearest.name) == ("one", "two")


def test_an_arm_alone_has_rank_one() -> None:
    """A pool of one has nothing cheaper: its arm counts as the dearest."""
    pool = ModelPool({"only": Plain()}, prices={"only": CHEAP})
    assert pool.arm("only").rank == 1.0
    assert pool.cheapest is pool.dearest


def test_names_build_models_and_the_book_prices_them() -> None:
    """An ``openai:`` name becomes a ChatOpenAI with the price and limits that are known of it."""
    arm = (pool := ModelPool({"large": "openai:gpt-5"})).arm("large")
    assert isinstance(pool.model("large"), ChatOpenAI)
    assert (arm.provider, arm.model) == ("openai", "gpt-5")
    assert arm.price.rates.input == 1_250_000
    assert arm.context_window is not None
    assert arm.context_window > 100_000


def test_other_names_go_through_langchain(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name of another provider is built by init_chat_model, with that provider."""
    asked: list[tuple[str, str]] = []

    def build(model: str, *, model_provider: str) -> BaseChatModel:
        asked.append((model, model_provider))
        return Plain(model=model)

    monkeypatch.setitem(sys.modules, "langchain.chat_models", SimpleNamespace(init_chat_model=build))
    ModelPool({"a": "mistralai:mistral-large:latest"}, prices={"a": CHEAP})
    assert asked == [("mistral-large:latest", "mistralai")]


def test_the_users_model_is_never_changed() -> None:
    """The pool calls a copy; the given object keeps its retries, its clients and its stream settings."""
    given = ChatOpenAI(model="gpt-5-nano", base_url="http://127.0.0.1:9/v1", max_retries=5)
    before = dict(given.__dict__)
    pool = ModelPool({"a": given})
    prepared: Any = pool.model("a")
    assert given.__dict__ == before
    assert given.root_client.max_retries == 5
    assert prepared.max_retries == 0
    assert prepared.stream_usage is True
    assert {prepared.root_client.max_retries, prepared.root_async_client.max_retries} == {0}
    assert {client._client.max_retries for client in (prepared.client, prepared.async_client)} == {0}


def test_clients_built_lazily_are_built_again() -> None:
    """A client the user's model has built already, with its retries, does not survive in the copy."""
    given = Lazy()
    assert given._lazy_client == 2
    prepared: Any = prepared_model(given, field="a")
    assert prepared._lazy_client == 0
    assert given._lazy_client == 2


def test_own_prices_win_over_the_book() -> None:
    """A price of the user's, under the arm's or the model's name, is the one that counts."""
    assert ModelPool({"a": "openai:gpt-5"}, prices={"a": CHEAP}).arm("a").price == CHEAP
    table = {"gpt-5": {"input_per_million": 1, "output_per_million": 1}}
    assert ModelPool({"a": "openai:gpt-5"}, prices=table).arm("a").price == CHEAP


def test_the_endpoint_says_who_bills() -> None:
    """ChatOpenAI at another provider's address is priced as that provider; an unknown host leaves it with OpenAI."""
    model = ChatOpenAI(model="openai/gpt-5", base_url="https://openrouter.ai/api/v1")
    assert ModelPool({"a": model}).arm("a").provider == "openrouter"
    local = ChatOpenAI(model="gpt-5", base_url="http://127.0.0.1:9/v1")
    assert ModelPool({"a": local}).arm("a").provider == "openai"


def test_azure_is_priced_as_azure() -> None:
    """An Azure deployment is priced by the model's name on Azure's list."""
    model = AzureChatOpenAI(
        azure_endpoint="https://x.openai.azure.com", api_version="2024-10-21", azure_deployment="d", model="gpt-5"
    )
    arm = ModelPool({"a": model}).arm("a")
    assert (arm.provider, arm.model) == ("azure", "gpt-5")


def test_capabilities_come_from_the_profile() -> None:
    """Limits and flags of the profile reach the arm."""
    profile = {"max_input_tokens": 8000, "max_output_tokens": 900, "tool_calling": False, "structured_output": False}
    arm = _arm(Native(profile=profile))
    assert (arm.context_window, arm.max_output_tokens) == (8000, 900)
    assert (arm.calls_tools, arm.structured_output) == (False, False)


def test_what_is_unknown_is_allowed() -> None:
    """Without a profile nothing is masked and no limit is invented."""
    arm = _arm(Native())
    assert (arm.context_window, arm.max_output_tokens) == (None, None)
    assert (arm.calls_tools, arm.structured_output) == (True, True)


def test_modalities_are_what_the_profile_does_not_rule_out() -> None:
    """A flag that is False rules a kind out, one that is missing does not; a profile without any says nothing."""
    profile = {"image_inputs": True, "audio_inputs": False, "video_inputs": False, "pdf_inputs": True}
    assert _arm(Native(profile=profile)).modalities == ("file", "image")
    assert _arm(Native(profile={"image_inputs": False})).modalities == ("audio", "file", "video")
    assert _arm(Native(profile={"max_input_tokens": 8000})).modalities is None
    assert _arm(Native()).modalities is None


def test_modalities_come_out_of_a_real_profile() -> None:
    """The flags are those of the profiles that LangChain ships."""
    arm = ModelPool({"a": ChatOpenAI(model="gpt-5-nano")}).arm("a")
    assert arm.modalities is not None
    assert "image" in arm.modalities
    assert "audio" not in arm.modalities


def test_a_class_that_binds_no_tools_calls_none() -> None:
    """Where a class has no bind_tools of its own, neither tools nor a schema can be bound."""
    arm = _arm(FakeListChatModel(responses=["yes"]))
    assert (arm.calls_tools, arm.structured_output) == (False, False)


def test_a_schema_may_go_through_a_tool() -> None:
    """A model without native structured output takes a schema where its class binds it as a tool."""
    profile = {"tool_calling": True, "structured_output": False}
    assert _arm(ThroughTools(profile=profile)).structured_output is True
    assert _arm(Tooled(profile=profile)).structured_output is True
    assert _arm(Native(profile=profile)).structured_output is False


def test_the_users_own_limit_counts() -> None:
    """The smaller of the user's output limit and the provider's is the arm's; -1 means without limit."""
    assert _arm(Plain(max_tokens=50, profile={"max_output_tokens": 900})).max_output_tokens == 50
    assert _arm(Plain(max_tokens=5000, profile={"max_output_tokens": 900})).max_output_tokens == 900
    assert _arm(Plain(model_kwargs={"max_completion_tokens": 70})).max_output_tokens == 70
    assert _arm(Ollamaish(num_predict=-1)).max_output_tokens is None
    assert ModelPool({"a": ChatOpenAI(model="gpt-5-nano", max_completion_tokens=60)}).arm("a").max_output_tokens == 60


def test_the_smallest_worthwhile_output_is_kept() -> None:
    """An arm's floor is the user's, or the provider's where that is higher."""
    assert _arm(Plain(), min_output_tokens={"a": 64}).min_output_tokens == 64
    assert _arm(Plain()).min_output_tokens == 1
    assert _arm(Plain(thinking={"type": "enabled", "budget_tokens": 2048})).min_output_tokens == 2049
    responses = ChatOpenAI(model="gpt-5-nano", use_responses_api=True)
    assert ModelPool({"a": responses}).arm("a").min_output_tokens == 16


def test_output_limits_have_each_providers_name() -> None:
    """The limit is sent by the keyword that the class understands; Ollama's other options are repeated."""
    models = {"openai": ChatOpenAI(model="gpt-5-nano"), "google": Googlish(), "ollama": Ollamaish(temperature=0.0)}
    pool = ModelPool(
        {**models, "other": FakeListChatModel(responses=["yes"])},
        prices=dict.fromkeys(models, CHEAP) | {"other": CHEAP},
    )
    assert pool.output_limit_kwargs("openai", 9) == {"max_tokens": 9}
    assert pool.output_limit_kwargs("google", 9) == {"max_output_tokens": 9}
    assert pool.output_limit_kwargs("ollama", 9) == {"options": {"num_ctx": 4096, "temperature": 0.0, "num_predict": 9}}
    assert pool.output_limit_kwargs("other", 9) == {"max_tokens": 9}


def test_limits_can_be_built_in() -> None:
    """A limited model carries the limit in its own field, drops a wider one, and leaves the pool's model as it was."""
    wide = {"max_completion_tokens": 900, "seed": 1}
    models = {"plain": Plain(model_kwargs=wide), "google": Googlish(), "ollama": Ollamaish()}
    pool = ModelPool(
        {**models, "other": FakeListChatModel(responses=["yes"])},
        prices=dict.fromkeys(models, CHEAP) | {"other": CHEAP},
    )
    plain: Any = pool.limited_model("plain", 9)
    assert (plain.max_tokens, plain.model_kwargs) == (9, {"seed": 1})
    assert pool.model("plain") == models["plain"]
    google: Any = pool.limited_model("google", 9)
    ollama: Any = pool.limited_model("ollama", 9)
    assert (google.max_output_tokens, ollama.num_predict) == (9, 9)
    assert pool.limited_model("other", 9) is pool.model("other")


def _routed() -> BaseChatModel:
    model = Plain()
    object.__setattr__(model, "_langroute_routed", True)
    return model


@pytest.mark.parametrize(
    ("models", "told"),
    [
        ({}, "models: is empty"),
        ([], "models: is empty"),
        (3, "models: must map names"),
        ("openai:gpt-5", "models: must map names"),
        (["openai:gpt-5"], "'openai:gpt-5' has no name"),
        ({"": Plain()}, "must be a string that is not empty"),
        ({" ": Plain()}, "must be a string that is not empty"),
        ({7: Plain()}, "must be a string that is not empty"),
        ([("a", Plain()), ("a", Plain())], "models.a: two arms have this name"),
        ({"small one": Plain(), "Small One": Plain()}, "models.Small One: differs from the arm 'small one' only"),
        ({"a": 3}, "models.a: int is neither"),
        ({"a": None}, "models.a: NoneType is neither"),
        ({"a": "gpt-5"}, "models.a: 'gpt-5' does not say which provider"),
        ({"a": "openai:"}, "models.a: 'openai:' does not say"),
        ({"a": ":gpt-5"}, "models.a: ':gpt-5' does not say"),
        ({"a": "llama3:8b"}, "models.a: 'llama3:8b' could not be built"),
        ({"a": Plain().bind(stop=["x"])}, "is bound to arguments or configuration"),
        ({"a": Plain().with_config(tags=["x"])}, "is bound to arguments or configuration"),
        ({"a": Tooled().bind_tools([])}, "is bound to arguments or configuration"),
        ({"a": Plain().with_retry()}, "models.a: RunnableRetry retries by itself"),
        ({"a": Plain().with_fallbacks([Plain()])}, "models.a: RunnableWithFallbacks has fallbacks"),
        ({"a": _routed()}, "models.a: Plain is a routed model"),
        ({"a": Plain(n=3)}, "models.a.n: asks for 3 answers"),
        ({"a": Plain(model_kwargs={"n": 2})}, "models.a.n: asks for 2 answers"),
        ({"a": Plain(extra_body={"max_tokens": 9})}, "models.a.extra_body: max_tokens would override"),
    ],
)
def test_bad_pools_are_refused(models: Any, told: str) -> None:
    """Each mistake is refused at construction, by its field and with a way out."""
    with pytest.raises(ConfigError) as caught:
        ModelPool(models, prices={"plain-1": CHEAP})
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"prices": {"a": CHEAP, "b": DEAR}}, "prices.b: names no arm and no model of the pool; it has a (plain-1)"),
        ({"prices": [CHEAP]}, "prices: must map"),
        ({"prices": {"a": CHEAP}, "min_output_tokens": {"b": 4}}, "min_output_tokens.b: there is no such arm"),
        ({"prices": {"a": CHEAP}, "min_output_tokens": {"a": 0}}, "min_output_tokens.a: must be a whole number"),
        ({"prices": {"a": CHEAP}, "min_output_tokens": {"a": 1.5}}, "min_output_tokens.a: must be a whole number"),
        ({"prices": {"a": CHEAP}, "min_output_tokens": 4}, "min_output_tokens: must map"),
    ],
)
def test_bad_options_are_refused(options: Any, told: str) -> None:
    """Options that name no arm or carry no number are refused by their field."""
    with pytest.raises(ConfigError) as caught:
        ModelPool({"a": Plain()}, **options)
    assert told in str(caught.value)


def test_a_model_without_a_price_is_refused() -> None:
    """The refusal names arm and model, and the line that mends it."""
    with pytest.raises(PriceUnknown) as caught:
        ModelPool({"a": "openai:no-such-model"})
    assert caught.value.field == "models.a"
    assert "openai:no-such-model" in str(caught.value)
    assert "prices={'a': Price(" in str(caught.value)


def test_why_the_book_refuses_is_passed_on() -> None:
    """Where the book knows the model but cannot price it, the reason reaches the user with the arm's name."""
    with pytest.raises(PriceUnknown, match=r"models\.a: no price for openai:gpt-5-search-api: .*searches"):
        ModelPool({"a": "openai:gpt-5-search-api"})


def test_special_terms_need_a_price_of_their_own() -> None:
    """A service tier that is billed at other rates is not priced by the standard list."""
    with pytest.raises(PriceUnknown, match="service_tier='priority' is billed at other rates"):
        ModelPool({"a": ChatOpenAI(model="gpt-5-nano", service_tier="priority")})
    assert ModelPool({"a": ChatOpenAI(model="gpt-5-nano", service_tier="default")}).names == ("a",)
    assert _arm(Plain(service_tier="priority")).price == CHEAP


def test_a_missing_key_is_told_as_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name whose provider wants a key says which arm could not be built."""
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.delenv("OPENAI_ADMIN_KEY", raising=False)
    with pytest.raises(ConfigError, match=r"models\.a: 'openai:gpt-5' could not be built"):
        ModelPool({"a": "openai:gpt-5"})


def test_without_langchain_the_package_to_install_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name of another provider without the package langchain says what to install."""
    monkeypatch.setitem(sys.modules, "langchain.chat_models", None)
    with pytest.raises(ConfigError, match=r"models\.a: .*pip install langroute\[langchain\]"):
        ModelPool({"a": "anthropic:claude-sonnet-4-5"})


def test_without_the_partner_package_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider whose package is missing is refused with that package's name."""

    def build(model: str, *, model_provider: str) -> BaseChatModel:
        raise ImportError("install it with `pip install langchain-anthropic`")

    monkeypatch.setitem(sys.modules, "langchain.chat_models", SimpleNamespace(init_chat_model=build))
    with pytest.raises(ConfigError, match=r"models\.a: .*pip install langchain-anthropic"):
        ModelPool({"a": "anthropic:claude-sonnet-4-5"})


@pytest.mark.parametrize(("retries", "fine"), [({"total_max_attempts": 1}, True), ({"mode": "legacy"}, False)])
def test_aws_clients_must_not_retry(retries: dict[str, Any], fine: bool) -> None:
    """An AWS client cannot be changed afterwards, so one that retries is refused."""
    client = SimpleNamespace(meta=SimpleNamespace(config=SimpleNamespace(retries=retries)))
    if fine:
        assert _arm(Plain(client=client)).name == "a"
        return
    with pytest.raises(ConfigError, match=r"models\.a\.max_retries: its AWS client retries"):
        _arm(Plain(client=client))


def test_unknown_arms_are_refused_by_name() -> None:
    """Asking for an arm that is not there names those that are."""
    pool = ModelPool({"a": Plain()}, prices={"a": CHEAP})
    for ask in (pool.arm, pool.model):
        with pytest.raises(ConfigError, match="there is no arm 'b'; the pool has a"):
            ask("b")


def test_importing_the_pool_loads_no_framework() -> None:
    """``import langroute.pool`` stays light: neither LangChain, LangGraph, OpenAI nor the price list is loaded."""
    heavy = ("langchain_core", "langchain_openai", "langgraph", "langchain", "openai", "genai_prices")
    code = f"import langroute.pool, sys; print([name for name in {heavy!r} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert told.stdout.strip() == "[]"
