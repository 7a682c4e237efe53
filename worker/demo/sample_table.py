"""What the demo's sample set is made of: goods, rendered cards and broken listings, written by hand.

Only ``make_samples`` reads this. A picture is a path in the training data's folder, or ``close:<path>`` (its middle,
enlarged), ``card:<name>`` (a rendered card) or ``broken:<path>`` (a path that the image host answers badly).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Card:
    """A picture with a title and prices around the photo."""

    name: str
    picture: str
    title: str
    price: str
    line: str = ""
    old_price: str = ""
    paper: str = "#ffffff"
    ink: str = "#1d2433"
    price_ink: str = "#c8102e"


@dataclass(frozen=True, slots=True)
class Good:
    """A listing that ends in results. ``title`` None: the one that the data gives for its first picture."""

    pictures: tuple[str, ...]
    title: str | None = None
    note: str = ""
    more: dict[str, Any] = field(default_factory=dict)
    expects: str = "results"


CARDS = (
    Card("umbrella", "abo/ee8600e7.jpg", "Auto-Open Umbrella", "$19.99", "windproof, 8 ribs", "$29.99"),
    Card("opener", "abo/5a537918.jpg", "红色电动开罐器", "¥129", "厨房小家电 一键开罐", paper="#fff4e6"),
    Card("lamp", "abo/5c55390b.jpg", "蓝色可调节台灯", "¥299.00", "金属灯臂 含灯泡", "¥399.00"),
    Card("plates", "abo/75feba6b.jpg", "Steingut Geschirr 18-teilig", "89,90 €", "für 6 Personen", paper="#eef3fb"),
    Card("runner", "abo/f56c3961.jpg", "男士运动鞋 轻便透气", "¥198", "尺码 41"),
    Card("apples", "grocery/val/Fruit/Apple/Granny-Smith/Granny-Smith_005.jpg", "Granny Smith", "1.99 €/kg", "apples"),
    Card("oranges", "grocery/val/Fruit/Orange/Orange_003.jpg", "新鲜橙子", "¥9.90/斤", "产地直供", paper="#fffbe0"),
    Card("shirt", "clothing/t-shirt/2a15cfb2-881f-47f2-a631-decf0a5ec2af.jpg", "Yellow T-Shirt", "$12.50", "Size M"),
    Card("backpack", "abo/0b07ad90.jpg", "Rucksack 10 l, orange", "24,95 €", "wasserabweisend", "39,95 €"),
    Card(
        "muffs",
        "abo/6b73e634.jpg",
        "Kids Ear Protection",
        "£15.00",
        paper="#101820",
        ink="#f4f4f4",
        price_ink="#ffd23f",
    ),
    Card("speaker", "abo/ef279290.jpg", "Wireless Shower Speaker", "$24.99", "blue, with suction cup"),
    Card("case", "abo/1115aec6.jpg", "绿色行李箱 24寸", "¥459", "ABS 材质 静音万向轮", "¥599"),
)

_WOOD = {"description": "Engineered wood with walnut finish. Size: Queen. Assembly needed."}
_USED = {"description": "Worn twice, no stains. From a smoke-free home."}
_GAUGE = "AmazonBasics Digital Tire Pressure Gauge"
_MUFFS = "amazonbasics kids ear-protection safety noise earmuffs, white"
_STRAP = "Adjustable guitar strap with 3 pick holders"
_APPLE = "Fresh apples, sold by weight"

GOOD = (
    # one picture, the title that the data gives
    Good(("abo/5a0c08bc.jpg",)),
    Good(("abo/98b1a663.jpg",)),
    Good(("abo/a58d6f4b.jpg", "close:abo/a58d6f4b.jpg"), note="two views"),
    Good(("abo/713ce58c.jpg",)),
    Good(("abo/26f3149a.jpg",), more={"price": {"amount": "39.90", "currency": "USD"}}),
    Good(("abo/edd9041d.jpg",)),
    Good(("abo/b3ef7f04.jpg", "close:abo/b3ef7f04.jpg"), note="two views"),
    Good(("abo/bea87808.jpg",)),
    Good(("abo/1b75abd7.jpg",)),
    Good(("abo/05cab9f8.jpg",)),
    Good(("abo/dec2b50c.jpg",)),
    Good(("abo/75c78fbb.jpg",)),
    Good(("abo/09eb9c3e.jpg",)),
    Good(("abo/e636c2ed.jpg",), note="a swatch of cloth"),
    Good(("abo/82905dcd.jpg",), note="a swatch of cloth"),
    Good(("abo/b58a61d5.jpg", "close:abo/b58a61d5.jpg"), note="two views"),
    Good(("abo/25591d30.jpg",)),
    Good(("abo/316aa596.jpg",)),
    Good(("abo/ff89d331.jpg",)),
    Good(("abo/8497b5b3.jpg",), note="in a room"),
    Good(("abo/af171f71.jpg",)),
    Good(("abo/78c24e86.jpg",)),
    Good(("abo/c94cff2a.jpg",), note="in a room"),
    Good(("abo/324c6dad.jpg",), more={"attributes": {"color": "brown", "size": "12 UK"}}),
    Good(("abo/aca362d4.jpg",)),
    Good(("abo/294c23a2.jpg",)),
    Good(("abo/bc64613b.jpg",)),
    Good(("abo/420278f1.jpg", "close:abo/420278f1.jpg"), note="two views"),
    Good(("abo/8c239e46.jpg",)),
    Good(("abo/62803d4e.jpg",)),
    Good(("abo/6eb8615f.jpg",), note="in a room"),
    Good(("abo/9cf048c8.jpg",)),
    Good(("abo/20b58411.jpg",)),
    Good(("abo/f1b819be.jpg",)),
    Good(("abo/c51da9db.jpg", "abo/8803664f.jpg"), note="two colours of one stool"),
    Good(("abo/c7c0295f.jpg",)),
    Good(("abo/da85d5dc.jpg",), more=_WOOD, note="a size and a material in the description"),
    Good(("abo/4860a28c.jpg",), note="text in the picture; its title names other goods"),
    Good(("abo/6817c80a.jpg",), note="text in the picture"),
    Good(("abo/99695e8d.jpg",), note="text on the label"),
    Good(("abo/01c677e9.jpg",)),
    # repeated titles: the second one's vector comes from the cache
    Good(("abo/851eb5e1.jpg",), _GAUGE, "a repeated title"),
    Good(("abo/d3737e65.jpg",), _GAUGE, "a repeated title"),
    Good(("abo/851eb5e1.jpg", "abo/d3737e65.jpg"), _GAUGE, "a repeated title, two pictures"),
    Good(("abo/6b73e634.jpg",), _MUFFS, "a repeated title"),
    Good(("abo/27893758.jpg",), _MUFFS, "a repeated title"),
    Good(("abo/2e70fc5f.jpg",), _STRAP, "a repeated title"),
    Good(("abo/e339e7bd.jpg",), _STRAP, "a repeated title"),
    # photos of private sellers
    Good(("clothing/dress/19e4de0d-fb90-47c2-83b4-37e3652c5a16.jpg",), "Purple dress with short sleeves", more=_USED),
    Good(("clothing/hat/de697750-a1ce-4595-8836-47e5be76d1da.jpg",), "Black baseball cap"),
    Good(("clothing/longsleeve/a6a09210-3242-4f00-820b-cda15b5383c1.jpg",), "Striped long sleeve top, cotton, size S"),
    Good(("clothing/outwear/311ee106-2f12-4b1d-83fb-b3e597607cca.jpg",), "Kids' winter jacket, red", more=_USED),
    Good(("clothing/pants/4cc4e673-fecd-4e4e-a7eb-f2efd39a5291.jpg",), "Light blue jeans"),
    Good(("clothing/shoes/7bb0226b-f068-4b46-9e40-1e5110319fcd.jpg",), "Turquoise sneakers, EU 38"),
    Good(("clothing/shorts/0fc5edba-525c-4234-935f-af55b39530dc.jpg",), "", "no title: the picture alone"),
    Good(("clothing/skirt/2459a9ab-b654-4aef-be7c-89340da78cec.jpg",), "", "no title: the picture alone"),
    # photos taken in shops
    Good(("grocery/val/Fruit/Banana/Banana_006.jpg",), "Bananas"),
    Good(("grocery/val/Vegetables/Carrots/Carrots_004.jpg",), "Carrots, loose"),
    Good(("grocery/val/Fruit/Lime/Lime_003.jpg",), "", "no title: the picture alone"),
    Good(
        ("grocery/val/Packages/Oat-Milk/Oatly-Oat-Milk/Oatly-Oat-Milk_005.jpg",), "Oat milk, 1 litre", "text on packs"
    ),
    Good(
        ("grocery/val/Packages/Sour-Cream/Arla-Sour-Cream/Arla-Sour-Cream_002.jpg",), "Sour cream", "text on the pack"
    ),
    Good(("grocery/val/Vegetables/Pepper/Yellow-Bell-Pepper/Yellow-Bell-Pepper_004.jpg",), "Yellow bell peppers"),
    # rendered titles and prices
    Good(("abo/ee8600e7.jpg", "card:umbrella"), note="a sale price and a struck-out one"),
    Good(("card:opener",), "电动开罐器 红色", "Chinese title and price", {"language": "zh"}),
    Good(("card:lamp",), "蓝色金属台灯", "Chinese title, sale price", {"language": "zh"}),
    Good(("card:plates", "abo/75feba6b.jpg"), "Steingut-Geschirrset, gelb", "German", {"language": "de"}),
    Good(("card:runner",), "", "no title: Chinese text in the picture", {"language": "zh"}),
    Good(("card:apples",), _APPLE, "a price per kilogram"),
    Good(("card:oranges",), "新鲜橙子", "a price per jin", {"language": "zh"}),
    Good(
        ("card:shirt", "clothing/t-shirt/2a15cfb2-881f-47f2-a631-decf0a5ec2af.jpg"), "T-shirt", "a size in the picture"
    ),
    Good(("abo/0b07ad90.jpg", "card:backpack"), note="German price card"),
    Good(("card:muffs",), "Ear protection for kids", "light text on dark"),
    Good(("card:speaker",), "", "no title: English text in the picture"),
    Good(("card:case",), "", "no title: Chinese text in the picture", {"language": "zh"}),
    # pictures and titles that do not belong together
    Good(("abo/1115aec6.jpg",), 'amazonbasics 24" abs luggage, red', "the title says red, the picture says green"),
    Good(("abo/a4df8b04.jpg",), "Women's leather ankle boots, brown", "title of other goods"),
    # no picture, or not all of them
    Good((), "amazonbasics stainless steel electric kettle, 1.7 litre, silver", "no picture"),
    Good((), "Solid oak dining table, 180 x 90 cm", "no picture", {"description": "Seats eight. Material: oak."}),
    Good((), "women's wool cardigan, navy blue, size L", "no picture"),
    Good(("abo/86e2d729.jpg", "broken:missing.jpg"), note="one of two pictures is missing (404)"),
    Good(("abo/903befc0.jpg", "broken:truncated.jpg"), note="one of two pictures is cut off"),
    Good(("broken:missing.jpg",), "Pair of brass bookends", "its only picture is missing: tagged from the title"),
    Good(("abo/74bc593c.jpg",), '<script>alert("1")</script> & <b>lapis</b> bracelet', "a hostile title"),
)


def _listing(listing_id: str, image_urls: list[str], title: str = "") -> dict[str, Any]:
    return {"listing_id": listing_id, "title": title, "image_urls": image_urls}


def _broken(name: str, expects: str, note: str, *image_urls: str) -> dict[str, Any]:
    key = f"broken-{name}"
    return {"key": key, "value": _listing(key, list(image_urls)), "expects": expects, "note": note}


BROKEN: tuple[dict[str, Any], ...] = (
    _broken("missing", "http_error", "the image host answers 404", "{host}/broken/missing.jpg"),
    _broken("html", "not_an_image", "a web page served as JPEG", "{host}/broken/page.jpg"),
    _broken("truncated", "corrupt_image", "a JPEG that stops in the middle", "{host}/broken/truncated.jpg"),
    _broken("private", "url_refused", "a URL to a private address", "http://10.0.0.7/picture.jpg"),
    _broken("redirect", "url_refused", "a redirect to a cloud's metadata address", "{host}/broken/redirect.jpg"),
    _broken("giant", "too_many_pixels", "a header that claims 60,000 x 60,000 pixels", "{host}/broken/giant.png"),
    _broken("heavy", "body_too_large", "a body far beyond the limit", "{host}/broken/heavy.jpg"),
    _broken("nothing", "no_usable_input", "neither a title nor a picture"),
    {"key": "broken-json", "raw": '{"listing_id": "broken-json", "title": "cut o', "expects": "not_json",
     "note": "JSON that is cut off"},
    {"key": "broken-field", "value": {"listing_id": "broken-field", "title": ["not", "a", "string"]},
     "expects": "schema_violation", "note": "a title that is a list"},
    {"key": "broken-version", "value": _listing("broken-version", [], "A lamp"), "expects": "unsupported_version",
     "headers": {"ce_type": "listing.created.v9"}, "note": "a version that nobody knows"},
    {"key": "broken-tombstone", "raw": None, "expects": "tombstone", "note": "a record without a value"},
)  # fmt: skip


def photos() -> Iterator[str]:
    """Every photo that is copied or rendered."""
    for good in GOOD:
        yield from (p.removeprefix("close:") for p in good.pictures if not p.startswith(("card:", "broken:")))
    yield from (card.picture for card in CARDS)
