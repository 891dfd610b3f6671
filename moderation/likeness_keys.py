"""How what belongs to a protected identity is sealed: its own key, and what each ciphertext is bound to."""

import numpy as np

from moderation.errors import NotEnrolled
from moderation.matching.faces import Descriptor
from moderation.models import EnrolmentPicture, FaceTemplate, ProtectedIdentity
from registry.sealing import RecordKey


def key_new(identity: ProtectedIdentity) -> bytes:
    """A new key for the identity, wrapped; what the one before sealed does not open any more once it replaces that."""
    return RecordKey.new(context=_key_context(identity)).wrapped


def key_open(identity: ProtectedIdentity) -> RecordKey:
    """The identity's key; NotEnrolled where it was destroyed, SealBroken where DATA_KEYS does not open it."""
    if identity.key_wrapped is None:
        raise NotEnrolled("The key of this identity was destroyed with its templates.")
    return RecordKey.open(bytes(identity.key_wrapped), context=_key_context(identity))


def template_seal(key: RecordKey, template: FaceTemplate, descriptor: Descriptor) -> bytes:
    """The ciphertext of a descriptor, bound to this template and to the reader that made it."""
    plain = np.ascontiguousarray(descriptor, dtype="<f4").tobytes()
    return key.seal(plain, context=_template_context(template))


def template_open(key: RecordKey, template: FaceTemplate) -> Descriptor:
    """The descriptor of a template, for the moment of a comparison; SealBroken where it is not what was enrolled."""
    plain = key.unseal(bytes(template.ciphertext), context=_template_context(template))
    return np.frombuffer(plain, dtype="<f4").astype(np.float32)


def picture_seal(key: RecordKey, picture: EnrolmentPicture, content: bytes) -> bytes:
    """A picture on its way to a worker."""
    return key.seal(content, context=f"enrolment picture {picture.public_id}")


def picture_open(key: RecordKey, picture: EnrolmentPicture) -> bytes:
    """The picture again; SealBroken where it is not the one that was sent."""
    return key.unseal(bytes(picture.sealed or b""), context=f"enrolment picture {picture.public_id}")


def email_context(identity: ProtectedIdentity) -> str:
    """What the identity's address is sealed for."""
    return f"e-mail of identity {identity.public_id}"


def _key_context(identity: ProtectedIdentity) -> str:
    return f"identity {identity.public_id}"


def _template_context(template: FaceTemplate) -> str:
    return f"template {template.public_id} {template.model}"
