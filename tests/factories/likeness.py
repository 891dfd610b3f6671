"""Protected identities for tests: enrolled with imagined faces, compared, invited by a moderator."""

from accounts.models import User
from moderation.likeness_consent import current_consent
from moderation.matching.faces import Face
from moderation.models import ActsAs, EnrolmentPicture, FaceTemplate, ProtectedIdentity
from moderation.selectors.likeness import match_faces
from moderation.services.enrolment import PicturesSent, pictures_receive, template_add
from moderation.services.likeness import identity_accept, identity_enrol, link_digest
from tests.factories.accounts import make_user
from tests.factories.faces import OtherReader, face_bytes, made_face

READER = OtherReader()


def make_identity(user: User | None = None, *, seed: int | None = 1, name: str = "Ada Example") -> ProtectedIdentity:
    """An enrolled person, with one template unless `seed` is None."""
    identity = identity_enrol(
        user=user or make_user("ada"), name=name, acts_as=ActsAs.SELF, consent=current_consent(), aliases=["AdaX"]
    )
    if seed is not None:
        make_template(identity, made_face(seed=seed))
    return identity


def make_template(identity: ProtectedIdentity, face: Face, reader: OtherReader = READER) -> FaceTemplate:
    return template_add(identity=identity, face=face, reader=reader, consent_reference="enrolment 2026-11")


def matched(*faces: Face) -> list[tuple[int, ProtectedIdentity, bool]]:
    """Which face is near whom, and whether that is sure."""
    report = match_faces(descriptors=[face.descriptor for face in faces], reader=READER)
    return [(match.face, match.identity, match.sure) for match in report.matches]


def accept_invitation(secret: str) -> tuple[ProtectedIdentity, str]:
    """What somebody without an account does with their invitation."""
    return identity_accept(digest=link_digest(secret), name="Ada", acts_as=ActsAs.SELF, consent=current_consent())


def make_waiting(identity: ProtectedIdentity) -> EnrolmentPicture:
    """A photograph that waits for a worker."""
    (picture,) = pictures_receive(identity=identity, pictures=PicturesSent.read([face_bytes("collins")]))
    return picture
