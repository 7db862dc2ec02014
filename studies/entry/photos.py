"""Photos of a mouse: taken in by size before anything is parsed, and shown only to those who read of the mouse."""

from django.contrib import messages
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from studies import access
from studies.actions.photos import PHOTO_MAX_BYTES, PhotoRefused, keep_photo, photo_path
from studies.endpoints import endpoint
from studies.entry.mouse import PhotoForm, mouse_page
from studies.models import Photo

FORM_BYTES = 20_000  # what the form carries beside the picture


# The size is looked at before the request is parsed, and so before the token in it; `_upload` checks the token.
@csrf_exempt
@endpoint(post=access.EXIT_RECORDERS)
def upload(request, mouse_id: int):
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > PHOTO_MAX_BYTES + FORM_BYTES:
        text = f"The photo is larger than {PHOTO_MAX_BYTES // 1_000_000} MB; nothing was stored."
        return HttpResponse(text, status=413, content_type="text/plain")
    return _upload(request, mouse_id)


@csrf_protect
def _upload(request, mouse_id: int):
    found = access.mouse_or_404(request.user, mouse_id, access.EXIT_RECORDERS)
    form = PhotoForm(request.POST)
    file = request.FILES.get("photo")
    if file is None:
        form.add_error(None, "Choose a photo.")
    if form.is_valid() and file is not None:
        told = form.cleaned_data
        try:
            keep_photo(
                found, file.read(), told["subject"], told["note"], actor=request.user, at=timezone.now()
            )
            messages.success(request, f"The photo of {found.label} is kept.")
            return redirect("entry_mouse", found.pk)
        except PhotoRefused as error:
            form.add_error(None, str(error))
    return mouse_page(request, found, {"photo": form}, 422)


@endpoint(access.SCIENCE_READERS)
def photo(request, photo_id: int):
    studies = access.studies_of(request.user, access.SCIENCE_READERS)
    found = get_object_or_404(Photo, pk=photo_id, mouse__study__in=studies)
    path = photo_path(found.file_name)
    if not path.is_file():
        raise Http404
    return FileResponse(path.open("rb"), content_type="image/jpeg", filename=f"photo-{found.pk}.jpg")
