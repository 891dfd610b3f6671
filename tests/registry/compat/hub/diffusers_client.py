"""What a program does with unmodified diffusers: weights by `owner/name`, then a picture; prints what it saw as JSON.

`python diffusers_client.py BASE REPO [WEIGHT_NAME]`, with HF_ENDPOINT, HF_TOKEN and HF_HOME set.
"""

import json
import sys

import torch
from diffusers import DiffusionPipeline
from huggingface_hub.errors import GatedRepoError


def causes(error: BaseException | None) -> list[str]:
    """The names of an error and of all that it came from."""
    found = []
    while error is not None:
        found.append(type(error).__name__)
        error = error.__cause__ or error.__context__
    return found


def main(base: str, repo: str, *weight_name: str) -> None:
    torch.set_num_threads(1)
    pipe = DiffusionPipeline.from_pretrained(base, dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)

    def picture() -> list[int]:
        made = pipe("a circle", num_inference_steps=2, generator=torch.Generator().manual_seed(1))
        return list(made.images[0].tobytes()[:3000])

    plain = picture()
    named = {"weight_name": weight_name[0]} if weight_name else {}
    try:
        pipe.load_lora_weights(repo, **named)
    except (GatedRepoError, OSError) as error:
        print(json.dumps({"refused": causes(error)}))
        return
    print(json.dumps({"changed": picture() != plain, "adapters": pipe.get_active_adapters()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
