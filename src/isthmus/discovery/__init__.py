"""A module becomes a `Symmetry`: capture, typing, assembly, verification."""

from isthmus.discovery.discover import discover as discover
from isthmus.discovery.verify import verify as verify
