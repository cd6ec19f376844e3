"""Signer: the opaque tokens by which a provider knows its own words again."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping

_MAC_BYTES = 32


class Signer:
    """Seals facts into a token that only this provider can make, and reads its own tokens again.

    Providers sign what their models thought (Anthropic's ``signature``, Google's ``thoughtSignature``, OpenAI's
    ``encrypted_content``) and refuse what they did not sign. Here all servers of one provider share a key, as the
    regions of a real one do, and no two providers do.

    Args:
        provider: whose tokens these are.
    """

    def __init__(self, provider: str) -> None:
        self._key = hashlib.sha256(f"langroute.testing {provider}".encode()).digest()

    def seal(self, facts: Mapping[str, str]) -> str:
        """A token, in standard base64, that carries the facts."""
        told = json.dumps(dict(facts), sort_keys=True).encode()
        return base64.b64encode(self._mac(told) + told).decode()

    def unseal(self, token: object) -> dict[str, str] | None:
        """The facts in a token; None where it is no token of this provider's."""
        try:
            raw = base64.b64decode(str(token), validate=True)
        except ValueError:
            return None
        mac, told = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(told)):
            return None
        facts: dict[str, str] = json.loads(told)
        return facts

    def _mac(self, told: bytes) -> bytes:
        return hmac.new(self._key, told, hashlib.sha256).digest()


def digest(value: object) -> str:
    """A short name for any JSON value, equal for equal values only."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]
