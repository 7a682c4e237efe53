"""Options that would do nothing beside another one: refused, so that nobody waits for what never comes."""

from __future__ import annotations

import typer

_ON_TOWERS = ("device", "image_tower", "text_tower")
_ON_TAGGERS = ("recalibrate", "engine", "precision")
BESIDE = {
    "with --quantise": ("preset", "seed", "epochs", *_ON_TOWERS),
    "with a reference model's --preset": _ON_TOWERS,
    "with --ablation": ("held_out", "all_rows", *_ON_TAGGERS),
    "with --held-out": ("all_rows", "seeds", "fusions", *_ON_TAGGERS),
    "with a reference model's --checkpoint": ("device", "report", "seeds", "epochs", "fusions", *_ON_TAGGERS),
    "without --ablation or --held-out": ("seeds", "epochs", "fusions"),
}


def refuse_idle(context: typer.Context, how: str) -> None:
    """Raises BadParameter naming the first option that was given and does nothing there. ``how``: one of ``BESIDE``."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name in BESIDE[how] and source is not None and source.name == "COMMANDLINE":
            raise typer.BadParameter(f"{parameter.opts[0]} does nothing {how}; leave it out")
