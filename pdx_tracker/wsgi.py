"""The WSGI door, for gunicorn and other servers."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in manage.py
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pdx_tracker.settings")
application = get_wsgi_application()
