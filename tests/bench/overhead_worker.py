"""The peer's side of ``overhead.py``; runs in an environment with litellm and without langroute.

For every line with a number of calls on standard input, it makes as many and answers with the seconds of one: calls of
a ``litellm.Router`` over five deployments, answered by litellm's own ``mock_response``.
"""

import os
import sys
import time

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # litellm would fetch its price list from the network

QUESTION = [{"role": "user", "content": "What about number 0?"}]


def main() -> None:
    """Answer until standard input ends."""
    answers = sys.stdout
    sys.stdout = sys.stderr  # nothing that a library prints may stand between the answers
    from litellm import Router  # noqa: PLC0415 - after the environment is set

    clock = time.process_time if "--cpu" in sys.argv else time.perf_counter

    router = Router(
        model_list=[
            {
                "model_name": "group",
                "litellm_params": {"model": f"openai/gpt-4o-mini-{number}", "api_key": "none", "mock_response": "yes"},
            }
            for number in range(5)
        ]
    )
    for line in sys.stdin:
        calls = int(line)
        began = clock()
        for _ in range(calls):
            router.completion(model="group", messages=QUESTION)
        print((clock() - began) / calls, file=answers, flush=True)


if __name__ == "__main__":
    main()
