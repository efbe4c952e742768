"""Hugging Face configs as models: ``find_model`` by name or path, ``read_config`` from text."""

from rightslice.edge.huggingface.catalog import ModelEntry, find_model, load_models
from rightslice.edge.huggingface.reading import read_config

__all__ = ["ModelEntry", "find_model", "load_models", "read_config"]
