"""Reading text in pictures: what `model.ocr` is made of."""
