"""Settings of the PDX tracker, read from the environment and refused by name when unusable.

Every variable is described in docs/operations.md. Without any, the project runs on an embedded
SQLite database in `var/` and answers on this machine only.
"""

import os
import secrets
from pathlib import Path
from zoneinfo import available_timezones

import environ
from csp.constants import NONCE, NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse_lazy

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()


def env_bool(name: str, default: bool) -> bool:
    text = env.str(name, default=str(default)).strip().lower()
    if text in {"1", "true", "yes", "on"}:
        return True
    if text in {"0", "false", "no", "off", ""}:
        return False
    raise ImproperlyConfigured(f"{name}={text!r} is neither true nor false")


def env_folder(name: str, default: Path) -> Path:
    """A folder the server may write; made, readable by its owner alone, where it is missing."""
    folder = Path(env.str(name, default=str(default))).expanduser()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(f"{name}={folder} cannot be used: {error.strerror}") from error
    return folder


def env_time_zone(name: str, default: str) -> str:
    zone = env.str(name, default=default)
    if zone not in available_timezones():
        raise ImproperlyConfigured(
            f"{name}={zone!r} is no time zone of the tz database, such as Europe/Amsterdam"
        )
    return zone


def _owner_only(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def env_secret(name: str, file_name: str) -> str:
    """A secret from the environment; on a server for this machine alone, else one made and kept here (0600)."""
    given = env.str(name, default="")
    if given:
        if len(given) < 32:
            raise ImproperlyConfigured(f"{name} has {len(given)} characters; at least 32 are needed")
        return given
    if HTTPS:
        raise ImproperlyConfigured(
            f"{name} is not set. A server that others reach (HTTPS=true) takes its secrets from the environment "
            "alone; one that will do:  python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
        )
    path = DATA_DIR / file_name
    try:
        # O_EXCL: of two processes that start at once, one writes the secret and both read it.
        with open(path, "x", opener=_owner_only) as file:
            file.write(secrets.token_urlsafe(48))
    except FileExistsError:
        pass
    return path.read_text().strip()


def env_database(name: str, default: str) -> dict:
    url = env.str(name, default=default)
    try:
        database = env.db_url_config(url)
    except Exception as error:
        raise ImproperlyConfigured(f"{name} cannot be read as a database address: {error}") from error
    engine = database.get("ENGINE", "")
    if engine.endswith("sqlite3"):
        database["OPTIONS"] = SQLITE_OPTIONS
    elif engine.endswith("postgresql"):
        database["CONN_MAX_AGE"] = 600
        database["CONN_HEALTH_CHECKS"] = True
    else:
        raise ImproperlyConfigured(
            f"{name} names {engine or 'no known database'}; use sqlite:/// or postgres://"
        )
    return database


# WAL with FULL keeps every acknowledged commit through a power cut; IMMEDIATE makes two writers queue
# instead of failing; recursive triggers close INSERT OR REPLACE as a way past the append-only triggers.
SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": (
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        " PRAGMA foreign_keys=ON; PRAGMA recursive_triggers=ON;"
    ),
}

DEBUG = env_bool("DEBUG", False)
HTTPS = env_bool("HTTPS", False)
DATA_DIR = env_folder("PDX_DATA_DIR", BASE_DIR / "var")
SECRET_KEY = env_secret("SECRET_KEY", "secret_key")
AUDIT_KEY = env_secret("AUDIT_KEY", "audit_key")
# Ends of the audit chains, written down outside the database (studies/actions/anchors.py).
AUDIT_ANCHORS = env.str("AUDIT_ANCHORS", default=str(DATA_DIR / "audit_anchors.jsonl"))
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
DATABASES = {"default": env_database("DATABASE_URL", f"sqlite:///{DATA_DIR / 'db.sqlite3'}")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
BACKUP_FOLDER = env.str("BACKUP_FOLDER", default="")
BACKUP_KEEP_DAYS = env.int("BACKUP_KEEP_DAYS", default=30)
BACKUP_EXPECTED = env_bool("BACKUP_EXPECTED", bool(BACKUP_FOLDER))
IMPORT_LIMIT_MB = env.int("IMPORT_LIMIT_MB", default=500)
UPLOAD_LIMIT_MB = env.int("UPLOAD_LIMIT_MB", default=15)  # of a whole request; a photo may have 12

INSTALLED_APPS = [
    "studies.apps.StudiesConfig",
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.import_export",
    "import_export",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",  # the list of passkeys tells its dates with it
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "axes",
    "csp",
    "django_q",
]

MIDDLEWARE = [
    # What sets headers stands outermost, so that static files, refusals and errors carry them too.
    "studies.middleware.OfProxy",
    "studies.middleware.OwnOriginOnly",
    "csp.middleware.CSPMiddleware",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "studies.middleware.ApiByTlsAlone",
    "studies.middleware.NothingStored",
    "studies.middleware.SizeLimit",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "studies.idle.IdleLock",
    "allauth.account.middleware.AccountMiddleware",
    "studies.middleware.CageSideOnly",
    "studies.middleware.OwnPasswordFirst",
    "studies.middleware.SecondFactorFirst",
    "studies.middleware.AdminContentSecurityPolicy",
    "studies.virus_scan.ScannedFirst",
    "axes.middleware.AxesMiddleware",
    "studies.accounts.WaysInOnRecord",
]

ROOT_URLCONF = "pdx_tracker.urls"
WSGI_APPLICATION = "pdx_tracker.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# Sign-in: user name and password, a second factor where one is enrolled, a lock after five failures.
AUTH_USER_MODEL = "studies.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "studies.accounts.HouseWordsValidator"},
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
LOGIN_URL = reverse_lazy("account_login")
LOGIN_REDIRECT_URL = reverse_lazy("home")
ACCOUNT_ADAPTER = "studies.accounts.ClosedAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = True  # for SESSION_COOKIE_AGE; nobody is asked on a shared tablet
ACCOUNT_LOGOUT_REDIRECT_URL = reverse_lazy("account_login")
ACCOUNT_RATE_LIMITS = {
    "login_failed": False,  # axes counts and locks, where an administrator sees it
    "login": "120/m/ip",  # a whole building may sign in from one address when a shift begins
}
MFA_ADAPTER = "studies.accounts.SealedFactorsAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
SECOND_FACTOR_REQUIRED = env_bool("SECOND_FACTOR_REQUIRED", False)
MFA_TOTP_ISSUER = "PDX tracker"
# A passkey needs a secure origin; browsers count localhost as one, allauth only when told so.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not HTTPS
MFA_PASSKEY_LOGIN_ENABLED = True  # a passkey that asks for a fingerprint or PIN is both factors at once
# Sign-in through the house's own OpenID Connect provider, where one is named.
SOCIALACCOUNT_ADAPTER = "studies.accounts.InvitedOnlyAdapter"
SOCIALACCOUNT_AUTO_SIGNUP = False
# A link, not a form: the content security policy keeps forms, and what they redirect to, on this server.
SOCIALACCOUNT_LOGIN_ON_GET = True
OIDC_SERVER_URL = env.str("OIDC_SERVER_URL", default="")
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [
            {
                "provider_id": "house",
                "name": env.str("OIDC_NAME", default="your organization"),
                "client_id": env.str("OIDC_CLIENT_ID", default=""),
                "secret": env.str("OIDC_CLIENT_SECRET", default=""),
                "settings": {"server_url": OIDC_SERVER_URL},
            }
        ]
        if OIDC_SERVER_URL
        else [],
    }
}
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = 0.25  # hours
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_TEMPLATE = "account/locked.html"
AXES_VERBOSE = False

SESSION_COOKIE_AGE = 12 * 3600  # from the sign-in, however busy (studies/idle.py)
# Minutes alone after which a screen locks (studies/idle.py); on a registered tablet, which many hands reach, sooner.
IDLE_MINUTES = env.int("IDLE_MINUTES", default=30)
TABLET_IDLE_MINUTES = env.int("TABLET_IDLE_MINUTES", default=15)
# "__Host-": only this host, over TLS, can have set the cookie. Browsers refuse the name without TLS.
COOKIE_PREFIX = "__Host-" if HTTPS else ""
SESSION_COOKIE_NAME = f"{COOKIE_PREFIX}sessionid"
SESSION_COOKIE_SECURE = HTTPS
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = f"{COOKIE_PREFIX}csrftoken"
CSRF_COOKIE_SECURE = HTTPS
CSRF_COOKIE_HTTPONLY = True  # our pages take the token from their form or from whoami
TABLET_COOKIE = f"{COOKIE_PREFIX}pdx_tablet"
CSRF_FAILURE_VIEW = "studies.errors.csrf_failure"
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^api/"]  # refused instead (studies/middleware.py)
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
BEHIND_TLS_PROXY = env_bool("BEHIND_TLS_PROXY", False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_TLS_PROXY else None
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"  # nothing of a page in a cookie
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
PERMISSIONS_POLICY: dict[str, list[str]] = {
    "serial": ["self"],
    "camera": ["self"],
    "geolocation": [],
    "microphone": [],
    "payment": [],
}
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "worker-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
# The admin theme runs Alpine, which evaluates expressions; only paths below /admin/ get this relaxation.
ADMIN_CONTENT_SECURITY_POLICY = {
    "script-src": [SELF, UNSAFE_INLINE, UNSAFE_EVAL],
    "style-src": [SELF, UNSAFE_INLINE],
}

# Where notices are sent; without it they stand on the home page alone.
vars().update(env.email_url("EMAIL_URL", default="dummymail://"))
EMAIL_TIMEOUT = 30
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", default="pdx-tracker@localhost")

LANGUAGE_CODE = "en-us"
USE_I18N = False
USE_TZ = True
TIME_ZONE = env_time_zone("TIME_ZONE", "UTC")

STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATIC_ROOT.mkdir(mode=0o700, exist_ok=True)  # WhiteNoise warns of a folder that is not there
# Served straight from the packages unless a deployment collected and hashed them (docs/operations.md).
COLLECTED_STATIC = env_bool("COLLECTED_STATIC", False)
WHITENOISE_USE_FINDERS = not COLLECTED_STATIC
WHITENOISE_AUTOREFRESH = DEBUG
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "pdx_tracker.static.HashedStatic"
        if COLLECTED_STATIC
        else "django.contrib.staticfiles.storage.StaticFilesStorage",
    },
}
MEDIA_ROOT = DATA_DIR / "media"

# Long work waits in the database for a worker (`manage.py work`). A job is handed out again when its worker
# is silent (studies/actions/jobs.py); django-q's own retry is the net below that, and must exceed its timeout.
JOB_TIMEOUT_SECONDS = env.int("JOB_TIMEOUT_SECONDS", default=1800)
Q_CLUSTER = {
    "name": "pdx",
    "orm": "default",
    "workers": env.int("JOB_WORKERS", default=1),
    "timeout": JOB_TIMEOUT_SECONDS,
    "retry": JOB_TIMEOUT_SECONDS + 60,
    "max_attempts": 3,
    "ack_failures": True,
    "save_limit": -1,  # what became of a job stands in our own table
    "recycle": 20,
    "poll": 0.5,
    "catch_up": False,
}

CLAMD = env.str("CLAMD", default="")  # where uploaded files are scanned (studies/virus_scan.py)

# A setup page of a large study posts one field a mouse and column.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 20_000

LOG_AS_JSON = env_bool("LOG_AS_JSON", False)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"},
        "json": {"()": "pdx_tracker.logs.JsonLines"},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "json" if LOG_AS_JSON else "plain"}
    },
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="WARNING")},
}

UNFOLD = {
    "SITE_TITLE": "PDX tracker",
    "SITE_HEADER": "PDX tracker",
    "SITE_SUBHEADER": "Study set-up",
    "SITE_URL": "/",
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SIDEBAR": {"navigation": "studies.admin.menu.navigation", "show_search": False},
    "STYLES": ["studies.admin.menu.tokens", "studies.admin.menu.stylesheet"],
    "SCRIPTS": ["studies.admin.menu.script"],
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": "studies.admin.menu.icon"},
    ],
    # The accent of the other screens, as the theme wants it: a scale from light to dark.
    "COLORS": {
        "primary": {
            "50": "#eef7f9",
            "100": "#d7ecf1",
            "200": "#aedae4",
            "300": "#7cc7d8",
            "400": "#45a5bb",
            "500": "#2b96b0",
            "600": "#0b6173",
            "700": "#0a5364",
            "800": "#084a58",
            "900": "#073b47",
            "950": "#06222a",
        },
    },
}
