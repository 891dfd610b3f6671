"""Faces compared with the enrolled ones: the nearest template of each identity, and what cannot be compared."""

import pytest

from moderation.models import (
    FaceTemplate,
)
from moderation.selectors.likeness import match_faces
from registry.sealing import SealBroken
from tests.factories.accounts import make_user
from tests.factories.faces import OtherReader, descriptor_at, made_face
from tests.factories.likeness import READER, make_identity, make_template, matched

pytestmark = pytest.mark.django_db


def test_enrolled_face_is_found_again() -> None:
    identity = make_identity()
    make_identity(make_user("eve"), seed=2, name="Eve")
    report = match_faces(descriptors=[descriptor_at(seed=9), descriptor_at(seed=1, away=0.3)], reader=READER)
    (match,) = report.matches
    assert (match.face, match.identity, match.distance, match.sure) == (1, identity, 0.3, True)
    assert (report.compared, report.not_comparable) == (2, 0)


@pytest.mark.parametrize(("away", "found"), [(0.45, [True]), (0.55, [False]), (0.65, [])])
def test_distance_decides_whether_it_is_sure_doubtful_or_nobody(away: float, found: list[bool]) -> None:
    make_identity()
    assert [sure for _, _, sure in matched(made_face(seed=1, away=away))] == found


def test_identity_is_named_once_for_each_face_by_its_nearest_template() -> None:
    identity = make_identity()
    make_template(identity, made_face(seed=1, away=0.2))
    report = match_faces(descriptors=[descriptor_at(seed=1, away=0.21)] * 2, reader=READER)
    assert [(match.face, match.identity, match.distance) for match in report.matches] == [
        (0, identity, 0.01),
        (1, identity, 0.01),
    ]


def test_templates_of_another_reader_are_counted_and_not_compared() -> None:
    identity = make_identity()
    make_template(identity, made_face(seed=1), OtherReader(model="other-2"))
    report = match_faces(descriptors=[descriptor_at(seed=1)], reader=OtherReader(model="other-3"))
    assert (report.matches, report.compared, report.not_comparable) == ((), 0, 2)


def test_template_that_does_not_open_is_an_error_and_no_miss() -> None:
    template = make_identity().templates.get()
    changed = bytearray(template.ciphertext)
    changed[-1] ^= 1
    FaceTemplate.objects.filter(pk=template.pk).update(ciphertext=bytes(changed))
    with pytest.raises(SealBroken):
        matched(made_face(seed=5))


def test_template_of_another_identity_does_not_open_in_its_place() -> None:
    one, other = make_identity(), make_identity(make_user("eve"), seed=2)
    FaceTemplate.objects.filter(identity=one).update(ciphertext=bytes(other.templates.get().ciphertext))
    with pytest.raises(SealBroken):
        matched(made_face(seed=2))
