"""Charts: invertible changes of parameters, after which the group acts linearly.

Networks carry redundant coordinates: a norm's gain that its readers could hold, a key's bias that
softmax cannot see, the mean that a layer norm takes away. A chart moves each of these into a
coordinate of its own, on which the function does not depend at all, and leaves the rest (the
*essential* parameters) in the gauge in which the largest group acts. Group elements move the
essential part linearly and the redundant part freely; going back gives parameters in the caller's
own gauge.

A chart is a list of steps. Every step changes a dictionary of tensors in place, and can be undone.
"""

from isthmus.algebra.charts.chart import Chart as Chart
from isthmus.algebra.charts.norms import Mean as Mean
from isthmus.algebra.charts.norms import Readout as Readout
from isthmus.algebra.charts.norms import Tap as Tap
from isthmus.algebra.charts.step import GaugeWarning as GaugeWarning
from isthmus.algebra.charts.step import Step as Step
from isthmus.algebra.charts.streams import Places as Places
from isthmus.algebra.charts.streams import Shared as Shared
from isthmus.algebra.charts.streams import Shear as Shear
from isthmus.algebra.charts.streams import Size as Size
from isthmus.algebra.charts.vectors import Carry as Carry
from isthmus.algebra.charts.vectors import Flat as Flat
from isthmus.algebra.charts.vectors import Gain as Gain
from isthmus.algebra.charts.vectors import Hop as Hop
from isthmus.algebra.charts.vectors import Layout as Layout
from isthmus.algebra.charts.vectors import Multiple as Multiple
from isthmus.algebra.charts.vectors import Offset as Offset
from isthmus.algebra.charts.vectors import Part as Part
from isthmus.algebra.charts.waves import HALF_TURN as HALF_TURN
from isthmus.algebra.charts.waves import Rise as Rise
from isthmus.algebra.charts.waves import Turn as Turn
from isthmus.algebra.charts.waves import Wrap as Wrap
