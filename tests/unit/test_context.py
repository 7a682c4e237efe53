"""Words around a value's word that take its meaning away, and those that do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.extract import Extractor
from model.taxonomy import load_taxonomy
from model.taxonomy_checks import TaxonomyError
from tests.unit.test_taxonomy import shipped, write

EXTRACTOR = Extractor(load_taxonomy())


def stated(title: str, attribute: str) -> list[str]:
    return [one.value for one in EXTRACTOR.extract(title, "", ()) if one.attribute == attribute]


@pytest.mark.parametrize(
    "title",
    [
        *("not real leather jacket", "isn't leather wallet", "not made of wood", "free of leather", "unlike leather"),
        *("kein echtes Leder", "ohne echtes Leder", "Stiefel nicht aus Leder", "frei von Leder", "Ledernachbildung"),
        *("pas de cuir", "ce n'est pas du cuir", "sans vrai cuir", "jamais de cuir véritable"),
        *("bolso que no es de piel", "sin piel auténtica", "libre de cuero"),
        *("non è vera pelle", "senza vera pelle", "非真皮 钱包", "不是真皮", "不含塑料 水杯", "仿羊毛", "人造木"),
        *(
            "cleaner for real leather",
            "Pflege für Leder",
            "cotton feel blanket",
            "no wool or leather",
            "ohne Leder oder Wolle",
            "leather-free shoes",
            "玻璃心 手机壳",
        ),
    ],
)
def test_a_denied_material_is_not_stated(title: str) -> None:
    """Also with links and up to two adjectives between, in every language."""
    assert stated(title, "material") == []


@pytest.mark.parametrize(
    ("title", "value"),
    [
        ("Not only leather", "leather"),
        ("no iron cotton shirt", "cotton"),
        ("No. 5, leather", "leather"),
        ("no logo, real leather", "leather"),
        ("Jacket Leather Free Shipping", "leather"),
        ("Tasche Leder frei Haus", "leather"),
        ("Jacket Leather like new", "leather"),
        ("Women's Cotton Printed Kurta", "cotton"),
        ("pas cher, sac cuir", "leather"),
        ("nicht nur aus Leder", "leather"),
        ("玻璃心形 盘", "glass"),
        ("真皮钱包 不掉色", "leather"),
    ],
)
def test_a_denial_of_something_else_takes_nothing_away(title: str, value: str) -> None:
    """It reaches as far as its clause, and over no other word; what is free may be the delivery."""
    assert stated(title, "material") == [value]


@pytest.mark.parametrize(
    ("title", "values"),
    [
        *((one, []) for one in ("Laces for shoes", "Insoles for running shoes", "Case for wireless headphones")),
        *(
            (one, [])
            for one in ("Bezug für Sofa", "Griff für den Schrank", "Lacets pour chaussures", "Patas para mesa")
        ),
        *((one, []) for one in ("Étui à lunettes", "Funda de la silla", "Copertura del divano")),
        *((one, []) for one in ("Tapis de souris", "Pied de canapé", "Collier de serrage", "Bureau de tabac")),
        *((one, []) for one in ("鞋带", "适用于耳机", "书包挂件")),
        ("沙发套", ["furniture_cover"]),
        ("耳机线", ["electronic_cable"]),
        ("餐桌布", ["home"]),
        ("果汁机", ["food_blender"]),
        ("Kissen für Stuhl", ["pillow"]),
        ("Shoes for women", ["shoes"]),
        ("for women: shoes", ["shoes"]),
        ("For sale sofa", ["sofa"]),
        ("Schuhe für Damen, Stiefel", ["shoes", "boot"]),
        ("Tapis de salon", ["rug"]),
        ("Tapis de laine", ["rug"]),
        ("mesa de la cocina", ["table"]),
        ("Lot de chaises", ["chair"]),
        ("Par de zapatos de mujer", ["shoes"]),
        ("Chaussures à lacets", ["shoes"]),
        ("沙发套装", ["sofa"]),
        ("运动鞋男", ["shoes"]),
        ("手提包带拉链", ["handbag"]),
    ],
)
def test_only_the_head_of_a_phrase_is_the_thing(title: str, values: list[str]) -> None:
    """What something is for, or a part of, is not what is sold; what kind a thing is of leaves it what it is."""
    assert stated(title, "product_type") == values


@pytest.mark.parametrize(
    ("title", "values"),
    [
        ("Caesar Warm-Up Pant, black", ["pants"]),
        ("ODDVAR Stool", ["stool_seating"]),
        ("Electric Kettle 1.7 l", ["electric_water_boiler"]),
        ("Dual basket air fryer", ["fryer"]),
        ("Appareil photo reflex", ["camera"]),
        ("Souris ergonomique sans fil", ["input_mouse"]),
        ("Téléviseur 4K LED 50 pouces", ["television"]),
        ("Sèche-cheveux pliable", ["hair_dryer"]),
        *((one, []) for one in ("Kettle corn 200 g", "Air fryer liners", "Smartphone holder", "Smart TV box")),
        *(
            (one, [])
            for one in ("Stool cover", "Smart watch strap", "Gaming mouse pad", "Keyboard tray", "Cat hammock")
        ),
        *((one, ["shorts"]) for one in ("Running Short, navy", "Kurze Hosen", "Pantalón corto")),
        *((one, ["outdoor_recreation_product"]) for one in ("2 person tent", "Tente 2 places", "Namiot", "帐篷")),
        *((one, ["furniture_cover"]) for one in ("Housse de canapé", "Sofahoes")),
        *((one, ["home_bed_and_bath"]) for one in ("Cushion cover, 50x50 cm", "Kissenhülle", "Bedlinen set", "Dekbed")),
        ("Silla de coche bebé", ["baby_product"]),
        ("鞋架 五层", ["shelf"]),
        ("戒指盒", ["jewelry_storage"]),
        ("Bicicleta camera bag", ["sporting_goods", "camera_bags_and_cases"]),
        ("Canopy tent", ["freestanding_shelter"]),
        ("Platform bed frame", ["bed_frame"]),
        ("Chair cushion", []),
    ],
)
def test_things_of_everyday_shops_are_named(title: str, values: list[str]) -> None:
    """Also those that training hardly had; what belongs to them is something else."""
    assert stated(title, "product_type") == values


@pytest.mark.parametrize(
    ("title", "values"),
    [
        ("5% cotton 95% polyester shirt", ["polyester"]),
        ("Pullover 10% Kaschmir 90% Baumwolle", ["cotton"]),
        ("Baumwolle 90%, Wolle 10%", ["cotton"]),
        ("95％棉 5％羊毛", ["cotton"]),
        ("50% wool 50% polyester", ["wool", "polyester"]),
        ("shell 100% wool, lining 80% polyester 20% cotton", ["wool", "polyester"]),
        ("20% wool jumper", []),
        ("100% leather, rubber details", ["leather", "rubber"]),
        ("50% off leather", ["leather"]),
    ],
)
def test_what_there_is_most_of_is_the_material(title: str, values: list[str]) -> None:
    """Lesser shares of one whole state nothing, nor does a share that is less than all that is not named."""
    assert stated(title, "material") == values


def test_a_name_with_an_ampersand_is_one_phrase() -> None:
    """However the sign is set."""
    for title in ("Black & Decker drill", "Black&Decker drill", "BLACK+DECKER drill", "Black &amp; Decker drill"):
        assert stated(title, "color") == [], title


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        ("denials", ["no"], "context has 'denials'"),
        ("heads", {"product_type": {"fro": ["for"]}}, "context.heads.product_type has 'fro'"),
        ("heads", {"finish": {"for": ["for"]}}, "context.heads names 'finish'"),
        ("qualifiers", ["Real"], "context.qualifiers: 'Real' must be in lower case"),
    ],
)
def test_a_context_that_would_never_be_read_is_refused(entry: str, value: object, message: str, tmp_path: Path) -> None:
    """A misspelt entry names itself."""
    found = shipped()
    found["context"][entry] = value
    with pytest.raises(TaxonomyError, match=message):
        load_taxonomy(write(tmp_path, found))
