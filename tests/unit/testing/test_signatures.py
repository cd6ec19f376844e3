"""Signer: a provider knows its own tokens again, and no other's."""

import pytest

from langroute.testing.signatures import Signer, digest

FACTS = {"model": "m", "said": "x"}


def test_a_token_tells_its_own_provider_what_was_sealed() -> None:
    """Another server of the same provider reads it as well; the same facts make the same token."""
    token = Signer("a").seal(FACTS)
    assert Signer("a").unseal(token) == FACTS
    assert Signer("a").seal(dict(reversed(FACTS.items()))) == token


@pytest.mark.parametrize(
    "spoil", [lambda t: t[:-4], lambda t: "A" + t[1:] if t[0] != "A" else "B" + t[1:], lambda t: ""]
)
def test_a_changed_token_is_nobodys(spoil: object) -> None:
    """A token that is cut or altered is not read."""
    token = Signer("a").seal(FACTS)
    assert callable(spoil)
    assert Signer("a").unseal(spoil(token)) is None


@pytest.mark.parametrize("token", [Signer("b").seal(FACTS), "not base64!", "eA==", None, 7])
def test_a_foreign_token_is_not_read(token: object) -> None:
    """Neither another provider's token nor anything else is taken for one."""
    assert Signer("a").unseal(token) is None


def test_digests_tell_values_apart() -> None:
    """Equal values have one name whatever their order; others have others."""
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    assert digest("1") != digest(1)
