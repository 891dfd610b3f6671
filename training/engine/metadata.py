"""What a written file says of itself: ModelSpec 1.0.1, kohya's `ss_` facts, diffusers' configuration, provenance."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from training.engine.config import Kind, TrainConfig
from training.engine.jobs import Item, Job
from training.engine.layouts import Laid
from training.engine.networks import Network
from training.engine.networks.layers import LowRank

_ARCHITECTURES = {
    "sd1": "stable-diffusion-v1",
    "sd2": "stable-diffusion-v2-768-v",
    "sdxl": "stable-diffusion-xl-v1-base",
    "flux1": "flux-1-dev",
    "tinybase": "tinybase",
}
_VERSIONS = {"sd1": "sd_v1", "sd2": "sd_v2", "sdxl": "sdxl_base_v1-0", "flux1": "flux1", "tinybase": "tinybase"}
_SPEC = ("title", "author", "description", "license", "date")
_ALGORITHMS = {Kind.DORA: "locon", Kind.LORA: "lora"}


def metadata_of(job: Job, laid: Laid, network: Network, step: int, prediction: str) -> dict[str, str]:
    """All facts of a file but the hash of its tensors, which is known when they are written."""
    return {
        **_training(job, step),
        **_network(job.config, laid),
        **_model_spec(job, prediction),
        **(_diffusers(laid, network) if laid.layout == "diffusers" else {}),
        **({"token": job.config.trigger} if network.vectors else {}),
        **_provenance(job.provenance),
    }


def _training(job: Job, step: int) -> dict[str, str]:
    """Under the names of kohya's trainer, which every tool reads."""
    config, own = job.config, [item for item in job.items if not item.is_prior]
    data, optim, loss = config.data, config.optim, config.loss
    facts: dict[str, Any] = {
        "base_model_version": _VERSIONS[job.base.family],
        "v2": job.base.family == "sd2",
        "sd_model_name": job.base.location.rstrip("/").rsplit("/", 1)[-1],
        "new_sd_model_hash": job.base.digest or None,
        "resolution": f"({data.resolution}, {data.resolution})",
        "enable_bucket": data.buckets,
        "num_train_images": sum(item.repeats for item in own),
        "num_reg_images": sum(item.repeats for item in job.items if item.is_prior) if data.prior_weight else 0,
        "num_validation_images": len(job.validation),
        "batch_size_per_device": data.batch,
        "gradient_accumulation_steps": data.accumulation,
        "caption_dropout_rate": data.caption_dropout,
        "shuffle_caption": data.tag_shuffle,
        "flip_aug": data.flip,
        "prior_loss_weight": data.prior_weight,
        "cache_latents": data.cache_latents,
        "min_snr_gamma": loss.min_snr_gamma,
        "noise_offset": loss.noise_offset or None,
        "learning_rate": optim.learning_rate,
        "text_encoder_lr": optim.text_learning_rate if config.adapter.text_encoders else None,
        "optimizer": f"{optim.optimizer}(weight_decay={optim.weight_decay:g})",
        "lr_scheduler": optim.schedule,
        "lr_warmup_steps": optim.warmup_steps,
        "max_grad_norm": optim.max_grad_norm,
        "ema_decay": optim.ema_decay,
        "gradient_checkpointing": optim.gradient_checkpointing,
        "mixed_precision": {"fp32": "no"}.get(optim.precision, optim.precision),
        "quantisation": None if optim.quantisation == "none" else optim.quantisation,
        "max_train_steps": config.steps,
        "steps": step,
        "seed": config.seed,
        "tag_frequency": json.dumps(_tag_frequency(own, config.trigger), ensure_ascii=False),
    }
    return {f"ss_{name}": str(value) for name, value in facts.items() if value is not None}


def _tag_frequency(items: list[Item], trigger: str) -> dict[str, dict[str, int]]:
    """As kohya writes it, {folder: {tag: pictures}}, but the trigger word alone.

    Captions belong to a private data set, and a file goes to strangers and outlives the captions' deletion.
    """
    called = sum(trigger in item.caption for item in items) if trigger else 0
    repeats = items[0].repeats if items else 1
    return {f"{repeats}_{trigger or 'images'}": {trigger: called} if called else {}}


def _network(config: TrainConfig, laid: Laid) -> dict[str, str]:
    adapter = config.adapter
    if adapter.kind == Kind.TEXTUAL_INVERSION:
        return {"ss_network_module": "textual-inversion"}
    if laid.layout == "diffusers":
        facts: dict[str, Any] = {"ss_network_module": "peft"}
    elif adapter.kind == Kind.LORA:
        facts = {"ss_network_module": "networks.lora_flux" if config.family == "flux1" else "networks.lora"}
    else:
        facts = {"ss_network_module": "lycoris.kohya", "ss_network_args": json.dumps(_arguments(config))}
    if adapter.kind in {Kind.IA3, Kind.FULL}:  # these have neither rank nor alpha
        return facts
    return {**facts, "ss_network_dim": str(adapter.rank), "ss_network_alpha": str(adapter.alpha)}


def _arguments(config: TrainConfig) -> dict[str, str]:
    adapter = config.adapter
    found = {"algo": _ALGORITHMS.get(adapter.kind, str(adapter.kind))}
    if adapter.kind not in {Kind.IA3, Kind.FULL}:
        found |= {"conv_dim": str(adapter.conv_rank or adapter.rank), "conv_alpha": str(adapter.alpha)}
    if adapter.kind == Kind.DORA:
        found["dora_wd"] = "True"
    if adapter.kind == Kind.LOKR:
        found["factor"] = str(adapter.lokr_factor)
    return found


def _model_spec(job: Job, prediction: str) -> dict[str, str]:
    config, kind = job.config, str(job.config.adapter.kind)
    suffix = "textual-inversion" if config.adapter.kind == Kind.TEXTUAL_INVERSION else kind
    size = config.data.resolution
    facts = {
        "sai_model_spec": "1.0.1",
        "architecture": f"{_ARCHITECTURES[job.base.family]}/{suffix}",
        "implementation": "diffusers",
        "title": job.provenance.get("title", f"{config.trigger or 'Adapter'} ({kind})"),
        "resolution": f"{size}x{size}",
        **{name: job.provenance[name] for name in _SPEC[1:] if job.provenance.get(name)},
    }
    if prediction:
        facts["prediction_type"] = prediction
    if config.trigger:
        facts |= {"trigger_phrase": config.trigger, "usage_hint": f"Write “{config.trigger}” in the prompt."}
    return {f"modelspec.{name}": value for name, value in facts.items()}


def _diffusers(laid: Laid, network: Network) -> dict[str, str]:
    """`lora_adapter_metadata`: one LoraConfig for each component, flat, as `save_lora_weights` writes it."""
    found: dict[str, Any] = {}
    for component in dict.fromkeys(entry.partition(".")[0] for entry in laid.entries):
        found |= {f"{component}.{name}": value for name, value in _lora_config(component, laid, network).items()}
    return {"lora_adapter_metadata": json.dumps(found, sort_keys=True)}


def _lora_config(component: str, laid: Laid, network: Network) -> dict[str, Any]:
    layers = {
        entry.partition(".")[2]: layer
        for entry, parts in laid.entries.items()
        if entry.partition(".")[0] == component and isinstance(layer := network.layers[parts[0].layer], LowRank)
    }
    rank, count = Counter(layer.rank for layer in layers.values()).most_common(1)[0]
    first = next(layer for layer in layers.values() if layer.rank == rank)
    others = {} if count == len(layers) else {path: one.rank for path, one in layers.items() if one.rank != rank}
    return {
        "r": rank,
        "lora_alpha": first.alpha,
        "rank_pattern": others,
        "alpha_pattern": {},
        "target_modules": sorted(layers),
        "use_dora": first.kind == "dora",
        "peft_type": "LORA",
    }


def _provenance(facts: Mapping[str, str]) -> dict[str, str]:
    rest = {name: value for name, value in facts.items() if name not in _SPEC}
    return {name if name.startswith(("ss_", "modelspec.")) else f"provenance.{name}": v for name, v in rest.items()}
