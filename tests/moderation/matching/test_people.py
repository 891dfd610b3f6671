"""Known faces are found exactly; who repeats across a set of pictures is noticed, and strangers are not joined."""

import numpy as np
import pytest

from moderation.matching.faces import Face
from moderation.matching.people import FaceIndex, nearest, people_in
from tests.factories.faces import descriptor_at, made_face


def _pictures(*people: list[int]) -> list[list[Face]]:
    """Each list names who is in one picture; every face differs a little."""
    return [[made_face(seed=person, away=0.1 + 0.02 * (n % 10)) for person in shown] for n, shown in enumerate(people)]


def test_set_about_one_person_is_noticed() -> None:
    (person,) = people_in(_pictures(*[[1]] * 8, [2], [3]))
    assert (person.pictures, person.share, person.repeats) == (8, 0.8, True)
    assert person.places == tuple((n, 0) for n in range(8))
    assert person.exemplar in person.places


@pytest.mark.parametrize(
    ("of_one", "others", "repeats"),
    [
        (5, 3, True),
        (6, 4, True),  # exactly the share
        (5, 4, False),
        (4, 0, None),  # too few to be a group at all
        (14, 86, False),
        (15, 85, True),  # however many others
    ],
)
def test_how_often_is_often(of_one: int, others: int, repeats: bool | None) -> None:
    found = people_in(_pictures(*[[1]] * of_one, *[[n] for n in range(2, 2 + others)]))
    assert [person.repeats for person in found] == ([] if repeats is None else [repeats])


def test_pictures_without_a_face_do_not_dilute_the_share() -> None:
    (person,) = people_in([*_pictures(*[[1]] * 6), *[[]] * 50])
    assert person.share == 1.0


def test_couple_is_two_people() -> None:
    first, second = people_in(_pictures(*[[1, 2]] * 9))
    assert first.pictures == second.pictures == 9
    assert {face for _, face in first.places} | {face for _, face in second.places} == {0, 1}


def test_one_picture_with_many_alike_counts_once() -> None:
    assert people_in([[made_face(seed=1, away=0.01 * n) for n in range(4)]] * 4) == ()


def test_chain_of_faces_joins_no_two_people() -> None:
    """Each is near the next, the ends are far apart: linking neighbours would call all of them one person."""
    step = np.zeros(128, dtype=np.float32)
    step[0] = 0.3
    chain = [[Face((0, 0, 9, 9), descriptor_at(seed=1) + n * step, 9, 1.0)] for n in range(12)]
    assert all(person.pictures <= 3 for person in people_in(chain))
    assert people_in(chain) == ()


def test_strangers_are_no_group() -> None:
    assert people_in(_pictures(*[[n] for n in range(200)])) == ()


def test_nothing_is_nobody() -> None:
    assert people_in([]) == people_in([[], []]) == ()


def test_set_larger_than_what_is_compared_at_once_is_sampled_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moderation.matching.people.FACES_AT_ONCE", 40)
    (person,) = people_in(_pictures(*[[1]] * 100))
    assert 30 <= person.pictures <= 40
    assert person.share == 1.0
    assert person.places[-1][0] > 90


def test_only_the_largest_faces_of_a_crowd_are_compared() -> None:
    crowd = [[made_face(seed=n, away=0.1, size=100 - n) for n in range(10)] for _ in range(6)]
    assert len(people_in(crowd)) == 4


def test_nearest_is_the_one_that_comparing_all_would_find() -> None:
    dice = np.random.default_rng(3)
    known = dice.normal(scale=0.06, size=(700, 128)).astype(np.float32)
    probes = dice.normal(scale=0.06, size=(1500, 128)).astype(np.float32)
    found = nearest(known, probes)
    for probe, (place, far) in list(zip(probes, found, strict=True))[::97]:
        plain = [float(np.linalg.norm(probe.astype(np.float64) - one.astype(np.float64))) for one in known]
        assert place == int(np.argmin(plain))
        assert far == pytest.approx(min(plain), abs=1e-6)


def test_within_gives_all_up_to_the_radius_the_nearest_first() -> None:
    index = FaceIndex([descriptor_at(seed=1, away=away) for away in (0.4, 0.0, 0.2, 0.9)])
    (found,) = index.within([descriptor_at(seed=1)], 0.41)
    assert [place for place, _ in found] == [1, 2, 0]
    assert [far for _, far in found] == pytest.approx([0, 0.2, 0.4], abs=1e-6)


def test_empty_index_knows_nobody() -> None:
    assert FaceIndex([]).nearest([descriptor_at(seed=1)]) == [(-1, float("inf"))]
    assert FaceIndex([]).within([descriptor_at(seed=1)], 9) == [[]]
    assert FaceIndex([descriptor_at(seed=1)]).nearest([]) == []
