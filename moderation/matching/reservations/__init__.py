"""Machine-readable reservations against training: in a picture's own metadata, and at the address it comes from.

Read are C2PA and CAWG training-mining assertions, `plus:DataMining` (IPTC), TDMRep, `noai` marks, and reservations in
plain English words. Glaze and Nightshade leave no mark that could be read; what they do to the pixels is none. What
cannot be read is a finding for a person, never a pass. An empty answer means that nothing was found, not that nothing
is reserved.
"""

from moderation.matching.reservations.pictures import from_picture
from moderation.matching.reservations.sources import (
    Source,
    from_headers,
    from_html,
    from_robots,
    from_source,
    from_tdmrep,
)
from moderation.matching.reservations.values import Outcome, Reservation

__all__ = [
    "Outcome",
    "Reservation",
    "Source",
    "from_headers",
    "from_html",
    "from_picture",
    "from_robots",
    "from_source",
    "from_tdmrep",
]
