"""The design's reference models: two encoders, plain concatenation and a deep network, trained end to end.

They are what a fusion of frozen towers and single-sided experts has to beat on the same listings.
"""
