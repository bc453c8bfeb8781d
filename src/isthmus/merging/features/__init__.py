"""Merging by features: units are brought together by what they show, not by their weights."""

from isthmus.merging.features.canonical_correlation import CcaMerge
from isthmus.merging.features.common import CommonUnits
from isthmus.merging.features.least_squares import Pleas
from isthmus.merging.features.matched_moments import MatchedMoments
from isthmus.merging.features.merger import AbstractFeatureMerger
from isthmus.merging.features.zipping import ZipIt

__all__ = [
    "AbstractFeatureMerger",
    "CcaMerge",
    "CommonUnits",
    "MatchedMoments",
    "Pleas",
    "ZipIt",
]
