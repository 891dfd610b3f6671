"""The kinds of adapters that can be trained here: what is put into the base, and which tensors a file gets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from lycoris.modules.full import FullModule
from lycoris.modules.ia3 import IA3Module
from lycoris.modules.locon import LoConModule
from lycoris.modules.loha import LohaModule
from lycoris.modules.lokr import LokrModule
from peft import LoraConfig, inject_adapter_in_model
from peft.utils import get_peft_model_state_dict
from torch import Tensor, nn

from training.tinybase.untyped import Pipeline

ATTENTION = r".*\.attn[12]\.to_(q|k|v|out\.0)"
TRANSFORMER = rf"({ATTENTION}|.*\.proj_(in|out)|.*\.ff\.net\.(0\.proj|2))"
WITH_CONVOLUTIONS = rf"({TRANSFORMER}|.*\.conv(1|2|_shortcut)?|conv_out)"
TEXT = r".*\.(self_attn\.(q|k|v|out)_proj|mlp\.fc[12])"

_LYCORIS: Mapping[str, Any] = {
    "lora": LoConModule,
    "locon": LoConModule,
    "dora": LoConModule,
    "loha": LohaModule,
    "lokr": LokrModule,
    "ia3": IA3Module,
    "full": FullModule,
}


@dataclass(frozen=True)
class Shape:
    """Which kind of adapter, on which layers of the UNet and the text encoder, and how large."""

    kind: str
    layers: str = WITH_CONVOLUTIONS  # regular expressions for the whole path
    text_layers: str = TEXT  # without them a trigger word changes next to nothing
    rank: int = 8
    alpha: float = 8.0
    options: Mapping[str, Any] = field(default_factory=dict)

    def targets(self, pipeline: Pipeline) -> Iterator[tuple[str, nn.Module]]:
        """The layers it changes, under the names that kohya's trainer gives them."""
        for path, layer in _layers(pipeline.unet, self.layers):
            yield f"lora_unet_{path.replace('.', '_')}", layer
        for path, layer in _layers(pipeline.text_encoder, self.text_layers):
            name = path.removeprefix("text_model.").replace(".", "_")
            yield f"lora_te_text_model_{name}", layer


def _layers(model: nn.Module, wanted: str) -> list[tuple[str, nn.Module]]:
    kinds = (nn.Linear, nn.Conv2d)
    return [
        (path, layer)
        for path, layer in model.named_modules()
        if isinstance(layer, kinds) and re.fullmatch(wanted, path)
    ]


class Network(Protocol):
    """An adapter in training, already acting in its pipeline."""

    def parameters(self) -> list[nn.Parameter]:
        """What is trained."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """What the file holds, in float32, under the names of its layout."""
        ...

    def facts(self) -> dict[str, str]:
        """What the file's metadata says about the kind."""
        ...


class LycorisNetwork:
    """Every kind of LyCORIS, under kohya's names."""

    def __init__(self, pipeline: Pipeline, shape: Shape) -> None:
        self.shape = shape
        options = {"lora_dim": shape.rank, "alpha": shape.alpha, **shape.options}
        self.modules = [_LYCORIS[shape.kind](name, layer, **options) for name, layer in shape.targets(pipeline)]
        for module in self.modules:
            module.apply_to()

    def parameters(self) -> list[nn.Parameter]:
        """The factors of every layer."""
        return [parameter for module in self.modules for parameter in module.parameters()]

    def tensors(self) -> dict[str, Tensor]:
        """`lora_unet_<path>.<slot>` and `lora_te_<path>.<slot>`."""
        found: dict[str, Tensor] = {}
        for module in self.modules:
            saved = module.custom_state_dict() or module.state_dict()
            found |= {f"{module.lora_name}.{slot}": tensor.detach().clone() for slot, tensor in saved.items()}
        return found

    def facts(self) -> dict[str, str]:
        """As kohya's trainer writes them for LyCORIS."""
        algorithm = {"dora": "locon"}.get(self.shape.kind, self.shape.kind)
        arguments = {"algo": algorithm, "conv_dim": str(self.shape.rank), "conv_alpha": str(self.shape.alpha)}
        if self.shape.layers != WITH_CONVOLUTIONS:
            arguments = {"algo": algorithm}
        arguments |= {{"weight_decompose": "dora_wd"}.get(k, k): str(v) for k, v in self.shape.options.items()}
        if self.shape.kind in {"ia3", "full"}:  # these have neither rank nor alpha
            return {"ss_network_module": "lycoris.kohya", "ss_network_args": json.dumps({"algo": algorithm})}
        return {
            "ss_network_module": "lycoris.kohya",
            "ss_network_dim": str(self.shape.rank),
            "ss_network_alpha": str(self.shape.alpha),
            "ss_network_args": json.dumps(arguments),
        }


class PeftNetwork:
    """LoRA by PEFT, under the names that diffusers writes."""

    def __init__(self, pipeline: Pipeline, shape: Shape) -> None:
        # PEFT matches a regular expression in a string against the whole path, as `Shape.targets` does.
        rank, alpha = shape.rank, int(shape.alpha)
        self.parts = {
            "unet": (pipeline.unet, LoraConfig(r=rank, lora_alpha=alpha, target_modules=shape.layers)),
            "text_encoder": (
                pipeline.text_encoder,
                LoraConfig(r=rank, lora_alpha=alpha, target_modules=shape.text_layers),
            ),
        }
        for part, config in self.parts.values():
            inject_adapter_in_model(config, part)

    def parameters(self) -> list[nn.Parameter]:
        """The factors of every layer."""
        parts = [part for part, _ in self.parts.values()]
        return [value for part in parts for name, value in part.named_parameters() if "lora_" in name]

    def tensors(self) -> dict[str, Tensor]:
        """`unet.<path>.lora_A.weight` and `text_encoder.<path>.lora_A.weight`."""
        return {
            f"{component}.{name}": tensor.detach().clone()
            for component, (part, _) in self.parts.items()
            for name, tensor in get_peft_model_state_dict(part).items()
        }

    def facts(self) -> dict[str, str]:
        """As `save_lora_weights` of diffusers writes them."""
        described = {
            f"{component}.{key}": getattr(config, key)
            for component, (_, config) in self.parts.items()
            for key in ("r", "lora_alpha", "target_modules")
        }
        config = self.parts["unet"][1]
        return {
            "ss_network_module": "peft",
            "ss_network_dim": str(config.r),
            "ss_network_alpha": str(float(config.lora_alpha)),
            "lora_adapter_metadata": json.dumps(described, sort_keys=True),
        }


class TokenNetwork:
    """Textual Inversion: vectors for a word of its own; the weights of the base stay as they are."""

    def __init__(self, pipeline: Pipeline, token: str, vectors: int) -> None:
        self.token = token
        words = [token, *(f"{token}_{index}" for index in range(1, vectors))]
        pipeline.tokenizer.add_tokens(words)
        pipeline.text_encoder.resize_token_embeddings(len(pipeline.tokenizer), mean_resizing=False)
        self.embeddings = pipeline.text_encoder.get_input_embeddings()
        self.ids = pipeline.tokenizer.convert_tokens_to_ids(words)
        table = self.embeddings.weight.detach()
        self.known = table[: min(self.ids)].clone()
        with torch.no_grad():
            table[self.ids] = self.known.mean(0) + 0.3 * self.known.std(0) * torch.randn(vectors, table.shape[1])
        self.embeddings.weight.requires_grad_(True)
        self.embeddings.weight.register_hook(self._own_rows)

    def _own_rows(self, gradient: Tensor) -> Tensor:
        """The rows of all other words get no gradient."""
        kept = torch.zeros_like(gradient)
        kept[self.ids] = gradient[self.ids]
        return kept

    def parameters(self) -> list[nn.Parameter]:
        """The whole table; see `_own_rows`."""
        return [self.embeddings.weight]

    def tensors(self) -> dict[str, Tensor]:
        """One tensor under the name of the token, as diffusers' trainer saves it."""
        return {self.token: self.embeddings.weight.detach()[self.ids].clone()}

    def facts(self) -> dict[str, str]:
        """The number of vectors stands in the tensor's shape; there is no rank."""
        return {"ss_network_module": "textual-inversion"}


def install(pipeline: Pipeline, shape: Shape, trigger: str) -> Network:
    """Put a fresh adapter into the pipeline."""
    if shape.kind == "textual-inversion":
        return TokenNetwork(pipeline, trigger, shape.rank)
    if shape.kind == "peft":
        return PeftNetwork(pipeline, shape)
    return LycorisNetwork(pipeline, shape)
