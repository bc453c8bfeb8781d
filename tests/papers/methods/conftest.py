"""What several tests of methods look at is made once."""

import functools

import pytest


@pytest.fixture(scope="session")
def smoke(tmp_path_factory):
    """What an experiment finds at the smallest scale, and where; each is run once."""

    @functools.cache
    def run(experiment):
        folder = tmp_path_factory.mktemp("methods") / experiment.name
        return experiment.run("smoke", folder=folder), folder

    return run
