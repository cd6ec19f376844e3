"""cascadeflow in the scenes of ``overspend.py``; runs in an environment with cascadeflow and without langroute.

As its documentation enforces a budget: ``init(mode="enforce")``, which also instruments OpenAI's SDK, a run with a
budget around all calls, and its LangChain callback with ``fail_open=False``, the strictest it has.
"""

import asyncio
import sys

import cascadeflow
from cascadeflow.integrations.langchain.harness_callback import get_harness_callback

CALLS, CAP_USD, TOKENS, PATIENCE_S = 8, 0.02, 1_000, 0.15


async def main(scene: str, base_url: str) -> None:
    """Make the calls."""
    cascadeflow.init(mode="enforce")
    from langchain_openai import ChatOpenAI  # noqa: PLC0415 - after the SDK was instrumented

    timeout = PATIENCE_S if scene == "in_a_row" else 30
    model = ChatOpenAI(
        model="gpt-4o", base_url=base_url, api_key="none", max_tokens=TOKENS, max_retries=0, timeout=timeout
    )
    with cascadeflow.run(budget=CAP_USD), get_harness_callback(fail_open=False) as callback:
        config = {"callbacks": [callback]}
        if scene == "at_once":
            told = [model.ainvoke("x " * TOKENS, config) for _ in range(CALLS)]
            await asyncio.gather(*told, return_exceptions=True)
            return
        for _ in range(CALLS):
            try:
                await model.ainvoke("x " * TOKENS, config)
            except Exception:  # noqa: S112 - given up, or refused: the server's meter tells which
                continue


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
