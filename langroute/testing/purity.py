"""What the contract suites share: expectations, and answers that depend on nothing but their question."""

import pickle
import random
from collections.abc import Callable, Sequence
from typing import TypeVar

Subject = TypeVar("Subject")
Question = TypeVar("Question")
Answer = TypeVar("Answer")


def expect(condition: object, message: str) -> None:
    """Nothing, if the condition holds.

    Raises:
        AssertionError: it does not; says ``message``.
    """
    if not condition:
        raise AssertionError(message)


def check_named(subject: object) -> None:
    """A name and a version, both non-empty text: records carry them, and replay compares them."""
    for field in ("name", "version"):
        value = getattr(subject, field, None)
        expect(isinstance(value, str) and value, f"{field}: must be a non-empty string, got {value!r}")


def check_pure(
    subject: Subject, questions: Sequence[Question], ask: Callable[[Subject, Question], Answer]
) -> list[Answer]:
    """The answers to the questions, after making sure that nothing but the question decides them.

    Every question is asked again in reverse order, under other states of Python's random generator, and of a pickled
    copy; answers are compared byte for byte, by their ``repr``.

    Raises:
        AssertionError: an answer changed, a question was changed, or the subject does not pickle.
    """
    before = [repr(question) for question in questions]
    random_state = random.getstate()
    try:
        random.seed(1)
        answers = [ask(subject, question) for question in questions]
        again = _asked_backwards(subject, questions, ask)
        copied = _asked_backwards(_pickled(subject), questions, ask)
    finally:
        random.setstate(random_state)
    for number, question in enumerate(before):
        expect(repr(questions[number]) == question, f"the arguments were changed; they were {question}")
        first = repr(answers[number])
        expect(first == again[number], f"asked twice, it answers\n{first}\nand then\n{again[number]}\nto {question}")
        expect(
            first == copied[number],
            f"a pickled copy answers\n{copied[number]}\ninstead of\n{first}\nto {question}",
        )
    return answers


def _asked_backwards(
    subject: Subject, questions: Sequence[Question], ask: Callable[[Subject, Question], Answer]
) -> list[str]:
    random.seed(2)
    return [repr(ask(subject, question)) for question in reversed(questions)][::-1]


def _pickled(subject: Subject) -> Subject:
    try:
        copy: Subject = pickle.loads(pickle.dumps(subject))  # noqa: S301 - our own bytes
    except (pickle.PicklingError, AttributeError, TypeError) as exc:
        raise AssertionError(f"must pickle, so that a router can travel to a worker process: {exc}") from exc
    return copy
