"""What the tools of a call are for, and which tool results are retrieved text, by a tiny list of words.

The first word of a tool's name that stands in the list says what the tool is for, so ``search_emails`` searches and
``send_email`` communicates; where no word of the name does, the first one of its description. Guesses for a feature:
nothing is masked by them, and a word missing here costs a category, no more.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from threading import Lock
from typing import Any

from langroute.steps.lexicon import words

_WORDS = {
    "search": "search retrieve retriever retrieval lookup find browse wikipedia arxiv tavily google bing rag web",
    "code": "code python repl bash shell terminal git compile lint notebook javascript interpreter",
    "data": "sql database db table dataframe csv spreadsheet query get read list fetch load download view show",
    "write": "write create edit update delete remove append insert save upload patch put move rename schedule book",
    "communicate": "send email mail message slack sms notify post reply respond ask contact invite transfer handoff",
    "compute": "calculate calculator math compute convert sum multiply divide subtract evaluate solve count",
}
_CATEGORIES = {word: category for category, text in _WORDS.items() for word in text.split()}
OTHER, MIXED = "other", "mixed"
_MOST_OF_DESCRIPTION = 200  # characters
_MOST_SETS = 64
# Values of `tool_choice` that demand no tool by name.
_NO_NAMES = frozenset({"auto", "any", "none", "required", "validated"})


@lru_cache(maxsize=4096)
def is_retrieval(name: str) -> bool:
    """Whether a tool of this name brings text that was searched for.

    >>> is_retrieval("search_web"), is_retrieval("VectorStoreRetriever"), is_retrieval("send_email")
    (True, True, False)
    """
    return _first_known(name) == "search"


def tool_category(tools: Iterable[tuple[str, str]]) -> str:
    """What most tools, pairs of name and description, are for; ``mixed`` without a majority, empty without tools.

    >>> tool_category([("search_web", ""), ("search_news", ""), ("send_email", "")])
    'search'
    """
    found = [_first_known(name) or _first_known(text[:_MOST_OF_DESCRIPTION]) or OTHER for name, text in tools]
    if not found:
        return ""
    most = max(found, key=found.count)
    return most if 2 * found.count(most) > len(found) else MIXED


def demanded_tool(tool_choice: object) -> str:
    """The tool that a ``tool_choice`` demands by name, in any provider's form; empty when it leaves the choice."""
    if isinstance(tool_choice, str):
        return "" if tool_choice.lower() in _NO_NAMES else tool_choice
    if not isinstance(tool_choice, Mapping):
        return ""
    function = tool_choice.get("function")
    name = function.get("name") if isinstance(function, Mapping) else tool_choice.get("name")
    return name if isinstance(name, str) else ""


class ToolCategories:
    """Remembers what sets of tools are for: an agent binds the same tools to each of its calls. Safe from any thread.

    Sets are told apart by the identity of their tools, which are kept alive for it; so a tool's description that is
    changed in place is not noticed.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[object, ...], tuple[str, Sequence[Any]]] = OrderedDict()
        self._lock = Lock()

    def of(
        self, tools: Sequence[Any], *, tool_choice: object, schemas: Callable[[], Iterable[Mapping[str, Any]]]
    ) -> str:
        """What the tools bound to a call are for; the one that is demanded by name counts alone.

        Args:
            tools: the tools, as bound.
            tool_choice: the demand, if any.
            schemas: gives the tools in the form that is sent; called for a set that was not seen before.
        """
        if not tools:
            return ""
        demanded = demanded_tool(tool_choice)
        key = (demanded, *map(id, tools))
        with self._lock:
            if known := self._known.get(key):
                self._known.move_to_end(key)
                return known[0]
        named = [_name_and_text(schema) for schema in schemas()]
        category = tool_category([pair for pair in named if pair[0] == demanded] or named)
        with self._lock:
            self._known[key] = (category, tuple(tools))
            while len(self._known) > _MOST_SETS:
                self._known.popitem(last=False)
        return category


def _first_known(text: str) -> str:
    return next((_CATEGORIES[word] for word in map(str.lower, words(text)) if word in _CATEGORIES), "")


def _name_and_text(schema: Mapping[str, Any]) -> tuple[str, str]:
    """Name and description of a tool as it is sent; a provider's own tool may have a type only."""
    inner = schema.get("function")
    about: Mapping[str, Any] = inner if isinstance(inner, Mapping) else schema
    return str(about.get("name") or about.get("type") or ""), str(about.get("description") or "")
