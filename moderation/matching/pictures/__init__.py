"""Finding registered works in pictures, even cropped, turned, mirrored, recompressed or written upon.

    work = describe(picture)            # once for each registered work; store work.to_bytes()
    index = PictureIndex.build([(7, work), …])      # owners are any int64, such as primary keys
    query = examine(picture)            # once for each picture asked about
    for candidate in index.candidates(query):
        verdict = verify(works[candidate.owner], query)      # Description.from_bytes(stored)

Two steps, because no single hash reaches far enough: candidates by pHash (whole picture and crop windows, eight
orientations) and by visual words of local features; then geometric verification of each candidate.
A list entry that is only a hash has no picture to verify with: `HashIndex.search` at `DEFAULT.phash` or `DEFAULT.pdq`
decides.
A picture that raises PictureUnusable has not been compared with anything, and is no pass.

What the default thresholds mean stands at `Thresholds`. OpenCV and pdqhash are loaded with the first picture.
"""

from moderation.matching.pictures.buckets import IndexInvalid
from moderation.matching.pictures.candidates import Candidate, PictureIndex
from moderation.matching.pictures.description import Description, DescriptionInvalid, Query, describe, examine
from moderation.matching.pictures.hashes import PDQ_BYTES, PHASH_BYTES, distances, from_hex, to_hex
from moderation.matching.pictures.index import HashIndex, Hits
from moderation.matching.pictures.raster import PictureUnusable
from moderation.matching.pictures.verify import DEFAULT, Evidence, Thresholds, Verdict, verify

__all__ = [
    "DEFAULT",
    "PDQ_BYTES",
    "PHASH_BYTES",
    "Candidate",
    "Description",
    "DescriptionInvalid",
    "Evidence",
    "HashIndex",
    "Hits",
    "IndexInvalid",
    "PictureIndex",
    "PictureUnusable",
    "Query",
    "Thresholds",
    "Verdict",
    "describe",
    "distances",
    "examine",
    "from_hex",
    "to_hex",
    "verify",
]
