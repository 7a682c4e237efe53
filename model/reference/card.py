"""The model card of a reference model, and its figures as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model.reference.checkpoint import Reference

_CARD = """# {name}

A reference model of hangtag's design, written by `hangtag train --preset`, measured by `hangtag evaluate`. The worker
does not run it; it is here to be compared with.

| Part | What |
|---|---|
| picture | {image}, pictures of {side} × {side} pixels, → {hidden} |
| title | {text} → {hidden} |
| fusion | concatenation, fully connected {widths} |
| heads | {heads} |

Trained end to end on {rows:,} titled listings with cross-entropy and Adam; a tenth of their families, held out, said
when to stop. A learned vector stands for a missing picture or title.

## Figures on test rows
{figures}

Accuracy is among listings whose label has an output. The data: Amazon Berkeley Objects, CC BY 4.0, unless it was
trained on listings of your own. Weights are stored as fp16.
"""
_IMAGES = {"lite0": "EfficientNet-lite0 (Apache-2.0), ImageNet weights", "resnet50": "ResNet-50, from random weights"}
_TEXTS = {
    "lstm": "bidirectional LSTM, from random weights",
    "bert": "BERT (all-MiniLM-L6-v2, Apache-2.0), pooled output",
}
_SIDES = {"fused": "both", "image": "picture alone", "text": "title alone"}


def card_of(found: Reference, num_rows: int, figures: Mapping[str, Any]) -> str:
    """Markdown."""
    config = found.config
    return _CARD.format(
        name=config.name,
        image=_IMAGES.get(config.image, f"{config.image}, from random weights"),
        text=_TEXTS[config.text],
        side=config.side,
        hidden=config.hidden,
        widths="-".join(map(str, config.widths)),
        heads="; ".join(
            f"{head} {one['outputs']}, {one['claimed']} claimed" for head, one in figures["outputs"].items()
        ),
        rows=num_rows,
        figures=reference_tables(figures),
    )


def reference_tables(figures: Mapping[str, Any]) -> str:
    """Figures as Markdown tables."""
    heads = ["| Head | Outputs | Reached by a label |", "|---|---|---|"]
    heads += [f"| {head} | {one['outputs']} | {one['claimed']} |" for head, one in figures["outputs"].items()]
    lines = ["| Attribute | From | Rows | Accuracy (95 % interval) | Macro F1 | Calibration error (if honest) |"]
    lines.append("|---|---|---|---|---|---|")
    for name, sides in figures.items():
        if name != "outputs":
            lines += [_line(name, _SIDES[side], one) for side, one in sides.items()]
    return "\n".join(heads) + "\n\n" + "\n".join(lines)


def _line(name: str, side: str, one: Mapping[str, Any]) -> str:
    low, high = one["interval_95"]
    accuracy = f"{one['accuracy']:.3f} ({low:.3f} to {high:.3f})"
    error = f"{one['calibration_error']:.3f} ({one['calibration_error_if_honest']:.3f})"
    return f"| {name} | {side} | {one['rows']} | {accuracy} | {one['macro_f1']:.3f} | {error} |"
