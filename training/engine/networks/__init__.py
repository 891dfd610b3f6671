"""Adapters of every kind, installed in a pipeline for training."""

from __future__ import annotations

from training.engine.networks.network import Network, build_network

__all__ = ["Network", "build_network"]
