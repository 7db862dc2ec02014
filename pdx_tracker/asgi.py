"""The ASGI door, for servers that speak it."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in manage.py
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pdx_tracker.settings")
application = get_asgi_application()
