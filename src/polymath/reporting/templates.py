"""How a page is filled in: one setting for all, so that text from models and data is escaped everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


def page_environment(folder: Path | None = None) -> Environment:
    """An environment for the templates of `folder`, by default this one, that escapes and refuses unknown names."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    own = Path(__file__).parent
    return Environment(
        loader=FileSystemLoader([folder or own, own]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
