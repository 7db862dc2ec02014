"""Photos of ulcers and tumors: refused by size and content before they are read, re-encoded, then kept."""

import hashlib
import io
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from django.conf import settings
from django.db import transaction

from studies import access
from studies.actions.audit import record_event, study_chain
from studies.models import Mouse, Photo, Study, User
from studies.terms import PhotoSubject, StudyState

PHOTO_MAX_BYTES = 12_000_000
MAX_PIXELS = 60_000_000
LONGEST_SIDE = 2400
FORMATS = ("JPEG", "PNG", "WEBP")


class PhotoRefused(Exception):
    """A file that was not kept; the message says why."""


def keep_photo(mouse: Mouse, content: bytes, subject: str, note: str, *, actor: User, at: datetime) -> Photo:
    """Re-encode the picture as JPEG, without what the camera wrote into it, and keep it in the media folder.

    Raises PhotoRefused: no picture of FORMATS by its content, too many bytes or pixels, no such subject,
    a role that may not, a study not running. Nothing stays on disk of what was refused.
    """
    if subject not in PhotoSubject.values():
        raise PhotoRefused("Say what the photo shows.")
    if len(note) > 200:
        raise PhotoRefused("The note is longer than 200 characters.")
    picture = reencoded(content)
    name = f"{uuid4()}.jpg"
    path = photo_path(name)
    with transaction.atomic():
        study = Study.objects.select_for_update().get(pk=mouse.study_id)
        if study.state != StudyState.ACTIVE:
            raise PhotoRefused(
                f"Study {study.code} is {study.get_state_display()}; nothing is written in it."
            )
        if not access.may_record_exits(actor, study):
            raise PhotoRefused("Your role in this study keeps no photo.")
        digest = hashlib.sha256(picture).hexdigest()
        photo = Photo.objects.create(
            mouse=mouse, subject=subject, file_name=name, sha256=digest, note=note, uploaded_at=at,
            uploaded_by=actor,
        )  # fmt: skip
        record_event("kept a photo", photo, actor=actor, at=at, chain=study_chain(study), study=study,
                     new={"mouse": mouse.label, "subject": subject, "sha256": digest}, reason=note)  # fmt: skip
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_bytes(picture)  # last: where this fails, the row and its event are undone
        path.chmod(0o600)
    return photo


def photo_path(file_name: str) -> Path:
    return Path(settings.MEDIA_ROOT) / "photos" / file_name


def reencoded(content: bytes) -> bytes:
    """The picture as JPEG of at most LONGEST_SIDE pixels, upright, without metadata. Raises PhotoRefused."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    if len(content) > PHOTO_MAX_BYTES:
        raise PhotoRefused(f"The photo is larger than {PHOTO_MAX_BYTES // 1_000_000} MB.")
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
        if image.width * image.height > MAX_PIXELS:
            raise PhotoRefused(f"The photo has more than {MAX_PIXELS // 1_000_000} million pixels.")
        upright = ImageOps.exif_transpose(image).convert("RGB")
        upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        upright.info.clear()  # comments and whatever else the file said beside the picture
        out = io.BytesIO()
        upright.save(out, "JPEG", quality=85)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
        raise PhotoRefused("This is no photo in JPEG, PNG or WebP that can be read.") from error
    return out.getvalue()
