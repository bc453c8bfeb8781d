"""The text of errors, and that they survive a process pool."""

import pickle

import pytest

from isthmus import ground
from isthmus.ground import BadCheckpoint, BadInput, IsthmusError, closest

EVERY = [
    value
    for value in vars(ground).values()
    if isinstance(value, type) and issubclass(value, Exception)
]


def test_text_is_cause_then_remedy():
    error = BadInput("steps is -1", "give a positive number")
    assert str(error) == "steps is -1; give a positive number"
    assert (error.cause, error.remedy) == ("steps is -1", "give a positive number")


def test_text_is_one_line():
    assert str(BadCheckpoint("a\n  b", " c\nd ")) == "a b; c d"


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_every_error_is_one_of_ours_and_pickles(kind):
    assert issubclass(kind, IsthmusError)
    assert kind.__doc__
    again = pickle.loads(pickle.dumps(kind("cause", "remedy")))
    assert (type(again), str(again)) == (kind, "cause; remedy")


def test_closest():
    assert closest("fc.wieght", ["fc.bias", "fc.weight"]) == "fc.weight"
    assert closest("fc.weight", ["zzz"]) is None
