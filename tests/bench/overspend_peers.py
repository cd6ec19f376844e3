"""The peers of ``overspend.py``: each in a process and an environment of its own, made once in the user's cache folder.

Each is used in the strictest way that its own documentation describes; ``overspend_with_*.py`` say which.
"""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from overhead_peer import LITELLM, PeerUnavailable, environment

_HERE = Path(__file__).parent
_RUN_S = 180
# litellm's extra `proxy` asks for packages that not every index has; these are what its server imports.
_PROXY = (
    "fastapi==0.165.0", "uvicorn==0.54.0", "websockets==17.4", "orjson==3.13.0", "apscheduler==3.11.3",
    "backoff==2.2.1", "pyjwt==2.15.1", "python-multipart==0.0.34", "cryptography==50.0.2", "pyyaml==6.0.4",
    "mcp==2.3.0", "rich==15.0.0", "redis==8.1.0", "semver==3.1.2", "expression==5.8.0", "fastapi-sso==0.23.0",
    "soundfile==0.14.0", "boto3==1.44.8",
)  # fmt: skip
_LANGCHAIN = ("langchain-core==1.8.3", "langchain-openai==1.7.4")


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Somebody else's budget.

    Attributes:
        script: what runs in its environment.
        packages: what that environment holds, pinned; the first is the peer itself.
        options: further arguments of the script.
    """

    script: str
    packages: tuple[str, ...]
    options: tuple[str, ...] = ()

    @property
    def home(self) -> str:
        """The name of its environment's folder."""
        return f"overspend-{self.packages[0].replace('==', '-')}"


_LITELLM = (LITELLM, *_PROXY)
PEERS: dict[str, Peer] = {
    "litellm": Peer(script="overspend_with_litellm.py", packages=_LITELLM, options=("session",)),
    "litellm_key": Peer(script="overspend_with_litellm.py", packages=_LITELLM, options=("key",)),
    "cascadeflow": Peer(script="overspend_with_cascadeflow.py", packages=("cascadeflow==1.2.0", *_LANGCHAIN)),
    "breakerbox": Peer(
        script="overspend_with_breakerbox.py", packages=("breakerbox==1.0.0", "langgraph==1.2.24", *_LANGCHAIN)
    ),
}


def cache_folder() -> Path:
    """Where environments are kept from one run to the next."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "langroute-bench"


def run_peer(peer: Peer, scene: str, base_url: str, *, folder: Path) -> None:
    """Let a peer make its calls.

    Args:
        peer: who.
        scene: ``at_once`` or ``in_a_row``.
        base_url: the server.
        folder: where the environments are.

    Raises:
        PeerUnavailable: its environment cannot be made, or its process failed.
    """
    python = environment(folder / peer.home, peer.packages)
    command = [str(python), str(_HERE / peer.script), scene, base_url, *peer.options]
    try:
        done = subprocess.run(  # noqa: S603 - the environment made above, and a file beside this one
            command, capture_output=True, text=True, timeout=_RUN_S, check=False, env=_surroundings(folder)
        )
    except subprocess.SubprocessError as exc:
        raise PeerUnavailable(f"{peer.packages[0]} did not end: {exc}") from exc
    if done.returncode:
        raise PeerUnavailable(f"{peer.packages[0]} failed: {done.stderr.strip().rpartition(chr(10))[2][:300]}")


def _surroundings(folder: Path) -> Mapping[str, str]:
    """The environment of a worker: nothing of this Python's, and OpenAI's tokenizers from litellm, not the network."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    tokenizers = next((folder / PEERS["litellm"].home).glob("**/litellm_core_utils/tokenizers"), None)
    return own if tokenizers is None else {**own, "TIKTOKEN_CACHE_DIR": str(tokenizers)}
