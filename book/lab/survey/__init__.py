"""Chapter 4b: the number of components of a minimum, counted by experiment.

Nothing here knows what the minimum M = {w : output(w) = Y} looks like. Points of M are
found by Gauss–Newton from random starts (`newton`). Two of them are linked when a chain
of short steps inside M joins them (`links`). As long as there are several clusters of
linked points, one point of each walks inside M towards the same far goals (`walks`), and
links are tried again between the places that they reach. The survey stops when the count
has stayed the same for several rounds (`count`).

The count may be too large where a passage is longer or narrower than the walks resolve,
and too small where no sample met a component: a survey confirms, it does not prove.
"""

from lab.survey.count import Survey as Survey
from lab.survey.count import survey_components as survey_components
