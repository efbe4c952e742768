"""The one way in: the text of a ``config.json`` becomes a `Model`."""

from __future__ import annotations

from rightslice.core.catalog.model import Model
from rightslice.edge.huggingface.build import build
from rightslice.edge.huggingface.config import Fields, parse_object
from rightslice.edge.huggingface.families import read_draft, read_family
from rightslice.edge.huggingface.quantization import read_quantization
from rightslice.edge.huggingface.sizes import Config


def read_config(text: str, *, where: str, quant_text: str | None = None) -> Model:
    """Return the model that a ``config.json`` describes; its name is *where*.

    Args:
        text: the JSON text.
        where: file name for error messages.
        quant_text: text of ``hf_quant_config.json`` beside it, when there is one.

    Raises:
        FieldError: names the file, the key, what is wrong with it and what would be right.
    """
    top = parse_object(text, where=where)
    sidecar = (
        None
        if quant_text is None
        else parse_object(quant_text, where=f"hf_quant_config.json beside {where}")
    )
    return read_fields(top, sidecar)


def read_fields(top: Fields, sidecar: Fields | None) -> Model:
    """Return the model in a parsed config."""
    nested = top.section_or_none("text_config", "llm_config", "language_config")
    config = Config(family=read_family(top), top=top, text=nested or top)
    return build(config, read_draft(config), read_quantization(top, sidecar))
