"""routed_node: a decorator that says what a node or a task is, and gives it a routed model."""

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, aclosing, closing, contextmanager
from threading import Lock
from typing import Any, TypeVar, cast
from weakref import WeakValueDictionary

from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config

from langroute.books import Purpose
from langroute.config import checked_kind
from langroute.errors import ConfigError
from langroute.integrations.chat_model import RoutedChatModel
from langroute.integrations.place import checked_purpose
from langroute.integrations.scope import TERMS, NodeTerms, anode_scope, node_scope, terms_of
from langroute.records import Kind
from langroute.router import StepRouter

Result = TypeVar("Result")

_MODEL = "model"
_CONFIG = "config"

# One model per router, for as long as somebody uses it: the model keeps the router, so the id stays the router's.
_models: "WeakValueDictionary[int, RoutedChatModel]" = WeakValueDictionary()
_making = Lock()


def routed_node(
    router: StepRouter,
    *,
    kind: Kind | None = None,
    purpose: Purpose | None = None,
    arm: str | None = None,
    optional: bool = False,
) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Route the model calls of a function that is a node of a graph, an ``@task`` or an ``@entrypoint``.

    The function runs inside the episode of its run. If it takes a parameter ``model``, it is given a
    ``RoutedChatModel`` over the router, the same one for all functions of that router; LangGraph does not see the
    parameter. What is said here holds for every routed call inside, also those of other routed models, unless the
    call's own metadata say otherwise; it wins over the metadata of the node.

    A function that is to be an ``@task`` or ``@entrypoint`` is decorated with this first, beneath the other decorator.

    Args:
        router: decides, and keeps the books.
        kind: kind of its calls; classified once, from name, docstring and source, when left out.
        purpose: the reserve its calls may open; by the kind when left out.
        arm: the arm that makes its calls.
        optional: the governor may leave the node out, which then returns ``{}``: no update. Only for nodes whose
            output nobody needs.

    Raises:
        ConfigError: something is no router, kind, purpose or arm of the pool; or what is decorated is no function.

    >>> from langroute import ModelPool, Price
    >>> from langroute.testing import ScriptedModel
    >>> models, price = {"small": ScriptedModel(["fine"])}, Price(input_per_million=0.05, output_per_million=0.40)
    >>> @routed_node(StepRouter(ModelPool(models, prices={"small": price})), kind="verification")
    ... def check(state: dict, model) -> dict:
    ...     return {"verdict": model.invoke(state["draft"]).content}
    >>> check({"draft": "2 + 2 = 4"})
    {'verdict': 'fine'}
    """
    if not isinstance(router, StepRouter):
        raise ConfigError(
            f"must be a StepRouter, not {type(router).__name__}; write @routed_node(router)", field="router"
        )
    if kind is not None:
        checked_kind(kind, field="kind")
    checked_purpose(purpose, field="purpose")
    if arm is not None:
        router.arm(arm)

    def decorate(function: Callable[..., Result]) -> Callable[..., Result]:
        _check(function)
        terms = NodeTerms(function=function, kind=kind, purpose=purpose, arm=arm, optional=optional)
        return cast("Callable[..., Result]", _RoutedFunction(router, terms).wrapped())

    return decorate


def shared_model(router: StepRouter) -> RoutedChatModel:
    """The routed model that all nodes of a router share, so that what is known of conversations is known to all."""
    with _making:
        model = _models.get(id(router))
        if model is None:
            model = _models[id(router)] = RoutedChatModel(router)
        return model


def _check(function: object) -> None:
    if isinstance(function, Runnable):
        raise ConfigError(
            f"is a {type(function).__name__}; decorate the function first and build the graph on it, or say the kind "
            "of a finished graph or chain in add_node(..., metadata={'langroute_kind': ...})",
            field="function",
        )
    if not callable(function) or isinstance(function, type):
        raise ConfigError(f"must be a function, not {function!r}", field="function")
    if hasattr(function, "cache_policy") and hasattr(function, "func"):
        raise ConfigError("is a task already; put @task above @routed_node", field="function")
    if terms_of(function) is not None:
        raise ConfigError("is decorated with routed_node already", field="function")


def _may_stand_among(parameters: Mapping[str, inspect.Parameter]) -> bool:
    """Whether the model may be one of the positional arguments."""
    return _MODEL in parameters and parameters[_MODEL].kind is not inspect.Parameter.KEYWORD_ONLY


class _RoutedFunction:
    """Runs a function as a routed node."""

    def __init__(self, router: StepRouter, terms: NodeTerms) -> None:
        self._router = router
        self._terms = terms
        self._function = terms.function
        self._signature = inspect.signature(terms.function)
        names = list(self._signature.parameters)
        self._takes = _MODEL in names
        self._place = names.index(_MODEL) if _may_stand_among(self._signature.parameters) else None
        self._model = shared_model(router) if self._takes else None

    def wrapped(self) -> Callable[..., Any]:
        """A function of the same nature whose signature has no ``model``."""
        # Python looks through partials and methods by itself, but not through objects that can be called.
        natures = (self._function, type(self._function).__call__)
        if any(map(inspect.isasyncgenfunction, natures)):
            return self._dressed(self._async_generator())
        if any(map(inspect.isgeneratorfunction, natures)):
            return self._dressed(self._generator())
        if any(map(inspect.iscoroutinefunction, natures)):
            return self._dressed(self._coroutine())
        return self._dressed(self._plain())

    def _dressed(self, wrapper: Any) -> Callable[..., Any]:
        functools.update_wrapper(wrapper, self._function)
        wrapper.__name__ = self._terms.name
        kept = [shown for name, shown in self._signature.parameters.items() if name != _MODEL]
        wrapper.__signature__ = self._signature.replace(parameters=kept)
        named = getattr(self._function, "__annotations__", None) or {}
        wrapper.__annotations__ = {name: hint for name, hint in named.items() if name != _MODEL}
        setattr(wrapper, TERMS, self._terms)
        return cast("Callable[..., Any]", wrapper)

    def _plain(self) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            with self._around(kwargs) as config, self._scope(config) as runs:
                return self._called(args, kwargs) if runs else {}

        return run

    def _coroutine(self) -> Callable[..., Any]:
        async def run(*args: Any, **kwargs: Any) -> Any:
            with self._around(kwargs) as config:
                async with self._ascope(config) as runs:
                    return await self._called(args, kwargs) if runs else {}

        return run

    def _generator(self) -> Callable[..., Any]:
        # A generator shares the context of whoever reads it: it is inside its episode only while it runs.
        def run(*args: Any, **kwargs: Any) -> Generator[Any, None, None]:
            with self._around(kwargs) as config, self._scope(config) as runs:
                made = self._called(args, kwargs) if runs else _once()
            with closing(made):
                while True:
                    with self._in_force(config), node_scope(self._router, config):
                        try:
                            piece = next(made)
                        except StopIteration:
                            return
                    yield piece

        return run

    def _async_generator(self) -> Callable[..., Any]:
        async def run(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
            with self._around(kwargs) as config:
                async with self._ascope(config) as runs:
                    made = self._called(args, kwargs) if runs else _aonce()
            async with aclosing(made):
                while True:
                    with self._in_force(config):
                        async with anode_scope(self._router, config):
                            try:
                                piece = await anext(made)
                            except StopAsyncIteration:
                                return
                    yield piece

        return run

    def _scope(self, config: RunnableConfig) -> AbstractContextManager[bool]:
        return node_scope(self._router, config, optional=self._terms.optional, name=self._terms.name)

    def _ascope(self, config: RunnableConfig) -> AbstractAsyncContextManager[bool]:
        return anode_scope(self._router, config, optional=self._terms.optional, name=self._terms.name)

    def _called(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the function, with the model where it wants one and nobody gave it another."""
        if self._takes and _MODEL not in kwargs:
            if self._place is not None and len(args) > self._place:
                args = (*args[: self._place], self._model, *args[self._place :])
            else:
                kwargs = {**kwargs, _MODEL: self._model}
        return self._function(*args, **kwargs)

    @contextmanager
    def _around(self, kwargs: dict[str, Any]) -> Iterator[RunnableConfig]:
        """Put what is said of the node into the config in force, and into the one that the function is handed."""
        given = kwargs.get(_CONFIG)
        if isinstance(given, dict):
            kwargs[_CONFIG] = self._with_terms(cast("RunnableConfig", given))
        config = self._with_terms(var_child_runnable_config.get() or kwargs.get(_CONFIG) or RunnableConfig())
        with self._in_force(config):
            yield config

    @contextmanager
    def _in_force(self, config: RunnableConfig) -> Iterator[None]:
        token = var_child_runnable_config.set(config)
        try:
            yield
        finally:
            var_child_runnable_config.reset(token)

    def _with_terms(self, config: RunnableConfig) -> RunnableConfig:
        return RunnableConfig(**{**config, "metadata": self._terms.onto(config.get("metadata") or {})})


def _once() -> Generator[Any, None, None]:
    yield {}


async def _aonce() -> AsyncGenerator[Any, None]:
    yield {}
