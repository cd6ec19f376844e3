"""The peer that ``overhead.py`` compares with: litellm, in a worker process with an environment of its own."""

import os
import subprocess
import venv
from pathlib import Path

LITELLM = "litellm==1.110.2"
_WORKER = Path(__file__).with_name("overhead_worker.py")
_INSTALL_S = 600


class PeerUnavailable(Exception):
    """The peer cannot be measured here; the message says why."""


def default_home() -> Path:
    """Where the peer's environment is kept from one run to the next."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "langroute-bench" / LITELLM.replace("==", "-")


def environment(home: Path, packages: tuple[str, ...] = (LITELLM,)) -> Path:
    """The Python of an environment with a peer; made at first use, which takes half a minute.

    Raises:
        PeerUnavailable: it cannot be made.
    """
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ready = home / "ready"
    if ready.exists():
        return python
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
    try:
        venv.create(home, with_pip=True, clear=True)
        done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_S, check=False)  # noqa: S603
    except (OSError, subprocess.SubprocessError) as exc:
        raise PeerUnavailable(f"no environment for {packages[0]} could be made in {home}: {exc}") from exc
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2]
        raise PeerUnavailable(f"{packages[0]} could not be installed in {home}: {last}")
    ready.touch()
    return python


class Peer:
    """A worker that is asked for a number of calls and answers with the seconds of one.

    Args:
        python: of an environment with litellm.
        cpu: count the processor's seconds instead of the wall's.
    """

    def __init__(self, python: Path, *, cpu: bool) -> None:
        own = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self._worker = subprocess.Popen(  # noqa: S603 - the environment made above, and a file beside this one
            [str(python), "-u", str(_WORKER), *(["--cpu"] if cpu else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=own,
        )

    def __call__(self, calls: int) -> float:
        """Seconds of one call, over a number of calls.

        Raises:
            PeerUnavailable: the worker has ended.
        """
        assert self._worker.stdin is not None
        assert self._worker.stdout is not None
        try:
            self._worker.stdin.write(f"{calls}\n")
            self._worker.stdin.flush()
            answer = self._worker.stdout.readline()
        except OSError as exc:
            raise PeerUnavailable(f"the worker has ended: {exc}") from exc
        if not answer:
            raise PeerUnavailable(f"the worker ended with exit code {self._worker.wait()}")
        return float(answer)

    def close(self) -> None:
        """End the worker."""
        if self._worker.stdin is not None:
            self._worker.stdin.close()
        self._worker.wait(timeout=30)


def peer(home: Path, *, cpu: bool) -> Peer:
    """A worker that has made its first call.

    Raises:
        PeerUnavailable: it cannot be had here.
    """
    started = Peer(environment(home), cpu=cpu)
    try:
        started(1)
    except PeerUnavailable:
        started.close()
        raise
    return started
