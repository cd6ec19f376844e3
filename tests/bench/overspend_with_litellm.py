"""LiteLLM in the scenes of ``overspend.py``; runs in an environment with litellm and without langroute.

Its proxy serves on loopback, with the settings its documentation names, and the calls go through it:

- ``session``: an agent with ``max_budget_per_session`` and ``require_trace_id_on_calls_by_agent``, every call with the
  same ``x-litellm-trace-id``: LiteLLM's budget for what langroute calls an episode
  (docs.litellm.ai/docs/a2a_iteration_budgets).
- ``key``: a virtual key with ``max_budget``, which reserves an estimate before each call. The stricter one of the two.

Agent and key come from ``custom_auth`` with ``custom_auth_run_common_checks``, so that no database is needed.
"""

import asyncio
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

CALLS, CAP_USD, TOKENS, PATIENCE_S = 8, 0.02, 1_000, 0.15
HEADERS = {"authorization": "Bearer sk-bench", "x-litellm-trace-id": "overspend"}

_AUTH = """
from litellm.proxy._types import UserAPIKeyAuth
from litellm.proxy.agent_endpoints.agent_registry import global_agent_registry


async def by_session(request, api_key):
    (agent,) = global_agent_registry.get_agent_list()
    return UserAPIKeyAuth(api_key=api_key, agent_id=agent.agent_id)


async def by_key(request, api_key):
    return UserAPIKeyAuth(api_key=api_key, token="bench", max_budget={cap}, spend=0.0)
"""
_CONFIG = """
model_list:
  - model_name: gpt-4o
    litellm_params: {{model: openai/gpt-4o, api_key: none, api_base: "{base_url}", timeout: {timeout}, max_retries: 0}}
agents:
  - agent_name: bench
    agent_card_params: {{name: bench, description: a bench, url: "http://localhost", version: "1"}}
    litellm_params: {{max_budget_per_session: {cap}, require_trace_id_on_calls_by_agent: true}}
general_settings:
  custom_auth: bench_auth.by_{by}
  custom_auth_run_common_checks: true
  master_key: sk-bench-master
litellm_settings:
  num_retries: 0
"""


async def main(scene: str, base_url: str, by: str) -> None:
    """Start the proxy, make the calls, end it."""
    with tempfile.TemporaryDirectory() as folder:
        timeout = PATIENCE_S if scene == "in_a_row" else 30
        config = Path(folder) / "config.yaml"
        config.write_text(_CONFIG.format(base_url=base_url, timeout=timeout, cap=CAP_USD, by=by), "utf-8")
        (Path(folder) / "bench_auth.py").write_text(_AUTH.format(cap=CAP_USD), "utf-8")
        sys.path.insert(0, folder)
        # litellm would fetch its price list from the network.
        os.environ |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "CONFIG_FILE_PATH": str(config)}
        import uvicorn  # noqa: PLC0415 - after the environment is set
        from litellm.proxy.proxy_server import app  # noqa: PLC0415

        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.05)
        port = server.servers[0].sockets[0].getsockname()[1]
        await calls(scene, f"http://127.0.0.1:{port}/v1/chat/completions")
        server.should_exit = True
        await serving


async def calls(scene: str, url: str) -> None:
    """All at once, or one after the other with time for the books between them."""
    import httpx  # noqa: PLC0415 - comes with litellm

    body: dict[str, Any] = {"model": "gpt-4o", "max_tokens": TOKENS}
    body["messages"] = [{"role": "user", "content": "x " * TOKENS}]
    async with httpx.AsyncClient(timeout=30, headers=HEADERS) as client:
        if scene == "at_once":
            answers = await asyncio.gather(*[client.post(url, json=body) for _ in range(CALLS)])
        else:
            answers = []
            for _ in range(CALLS):
                answers.append(await client.post(url, json=body))
                await asyncio.sleep(0.5)
    told = {answer.status_code for answer in answers}
    # 408: the provider was given up; 400, 422 and 429: the budget
    if not told <= {200, 400, 408, 422, 429}:
        raise RuntimeError(f"the proxy answered {sorted(told)}: {answers[0].text[:200]}")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
