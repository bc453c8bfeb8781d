"""Curves in groups, factorised once: logarithms, stages, steps."""

from isthmus.algebra.groups.curves.curve import Curve as Curve
from isthmus.algebra.groups.curves.linear import Felt as Felt
from isthmus.algebra.groups.curves.linear import linear_stages as linear_stages
from isthmus.algebra.groups.curves.linear import staged as staged
from isthmus.algebra.groups.curves.logarithms import polar as polar
from isthmus.algebra.groups.curves.logarithms import principal_log as principal_log
from isthmus.algebra.groups.curves.logarithms import reflection as reflection
from isthmus.algebra.groups.curves.logarithms import symmetric_log as symmetric_log
from isthmus.algebra.groups.curves.stages import Stage as Stage
from isthmus.algebra.groups.curves.stages import rotation_log as rotation_log
from isthmus.algebra.groups.curves.stages import turning as turning
from isthmus.algebra.groups.curves.steps import Exponential as Exponential
from isthmus.algebra.groups.curves.steps import Fixed as Fixed
from isthmus.algebra.groups.curves.steps import Inside as Inside
from isthmus.algebra.groups.curves.steps import Shift as Shift
from isthmus.algebra.groups.curves.steps import Spectrum as Spectrum
from isthmus.algebra.groups.curves.steps import Step as Step
