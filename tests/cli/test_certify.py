"""`isthmus certify`: 0 where the bound is proved, 1 where it is not low enough, 2 for bad input."""

from __future__ import annotations

import json

import numpy as np
import pytest


def words(files, *more):
    """The arguments of a certificate."""
    given = ["--model", files.model(), "--data", files.data, "--tolerance", 0.01]
    return ["certify", files.a, files.b, *given, *more]


def test_a_bound_is_proved(files, run):
    ran = run(*words(files, "--json", "-"))
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)["test"]
    assert found["verdict"] == "PROVED"
    evidence = found["evidence"]
    assert evidence["sampled"] <= evidence["upper"] <= evidence["lower"] + 0.01
    assert evidence["samples"] == 20
    assert "for every t in [0, 1]" in ran.err
    assert "intervals bounded on 20 samples" in ran.err


def test_on_training_data_after_alignment_and_on_some_samples(files, run):
    more = ["--align", "--split", "train", "--samples", 12, "--json", "-"]
    ran = run(*words(files, *more))
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["train"]["evidence"]["samples"] == 12


def test_a_bound_that_is_not_below_what_was_asked_is_exit_code_1(files, run):
    assert run(*words(files, "--below", 100)).code == 0
    ran = run(*words(files, "--below", 0, "--work", 16, "--tolerance", 0))
    assert ran.code == 1
    assert "more --work brings it nearer" in ran.out


def test_data_that_do_not_fit_are_bad_input(files, run):
    other = files.folder / "other.npz"
    np.savez(other, x=np.zeros((4, 7), np.float32), y=np.zeros(4, int))
    given = words(files)
    given[given.index(files.data)] = other
    ran = run(*given)
    assert ran.code == 2
    assert len(ran.errors) == 1
    assert "cannot take inputs of shape" in ran.errors[0]


@pytest.mark.parametrize("option", ["--tolerance", "--relative", "--work"])
def test_numbers_out_of_range_are_bad_input(files, run, option):
    assert run(*words(files, option, -1)).code == 2
