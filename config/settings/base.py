"""Settings that every environment shares."""

from datetime import timedelta

import dj_database_url

from config import environment as env
from config.postgres import embedded_url

BASE_DIR = env.PROJECT
DATA_DIR = env.data_dir()

DEBUG = False
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
# How many proxies of our own stand in front: their X-Forwarded-For is believed, nobody else's.
TRUSTED_PROXIES = env.number("TRUSTED_PROXIES", 0)
PUBLIC_URL = env.text("PUBLIC_URL", "http://127.0.0.1:8000").rstrip("/")
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
SITE_NAME = env.text("SITE_NAME", "Adapter Registry")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "rest_framework",
    "drf_spectacular",
    "accounts",
    "governance",
    "registry",
    "moderation",
    "training",
    "inference",
    "config.apps.ConfigConfig",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.middleware.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.throttling.RateLimitHeadersMiddleware",
    "config.middleware.DomainErrorMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": False,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.context.site",
            ],
            "builtins": ["registry.templatetags.house", "django.contrib.humanize.templatetags.humanize"],
            "libraries": {"house": "registry.templatetags.house"},
        },
    }
]

# One engine everywhere: a server of one's own by DATABASE_URL, the embedded one otherwise.
# ATOMIC_REQUESTS stays off: a refusal is recorded in the transaction and raised after it.
DATABASES = {
    "default": dj_database_url.parse(
        env.text("DATABASE_URL") or embedded_url(DATA_DIR), conn_max_age=60, conn_health_checks=True
    )
}
DATABASES["default"]["OPTIONS"] = {
    **DATABASES["default"].get("OPTIONS", {}),
    "application_name": "adapter-registry",
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {
    "default": (
        {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": env.text("CACHE_URL")}
        if env.text("CACHE_URL")
        else {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": "cache",
            # Beyond this the oldest-named third is thrown out: it must not be easy to flush the throttles that way.
            "OPTIONS": {"MAX_ENTRIES": 50_000},
        }
    )
}

AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "sign_in"
LOGIN_REDIRECT_URL = "account"
LOGOUT_REDIRECT_URL = "home"
PASSWORD_HASHERS = [
    "accounts.hashers.BoundedArgon2PasswordHasher",
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]

# Files: local disk by default, any S3-compatible store when S3_BUCKET is set.
S3_BUCKET = env.text("S3_BUCKET")
S3_OPTIONS = {
    "bucket_name": S3_BUCKET,
    "endpoint_url": env.text("S3_ENDPOINT_URL") or None,
    "region_name": env.text("S3_REGION") or None,
    "access_key": env.text("S3_ACCESS_KEY_ID") or None,
    "secret_key": env.text("S3_SECRET_ACCESS_KEY") or None,
    "default_acl": "private",
    "querystring_auth": True,
    "file_overwrite": True,
    "max_memory_size": 8 * 1024**2,  # bytes of an opened file in memory; the rest lies in a temporary file
    "signature_version": "s3v4",
    "addressing_style": env.text("S3_ADDRESSING_STYLE", "path"),
}
MEDIA_ROOT = DATA_DIR / "files"
STORAGES = {
    "default": (
        {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": S3_OPTIONS}
        if S3_BUCKET
        else {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(MEDIA_ROOT), "base_url": None},
        }
    ),
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

# How bytes leave after the gate has said yes: `django` streams them, `nginx` answers X-Accel-Redirect,
# `s3` redirects to a presigned URL of the store.
DELIVERY = env.text("DELIVERY", "django")
DELIVERY_NGINX_LOCATION = env.text("DELIVERY_NGINX_LOCATION", "/protected/")
DOWNLOAD_URL_LIFETIME = timedelta(seconds=env.number("DOWNLOAD_URL_SECONDS", 300))

# Uploads
UPLOAD_DIR = DATA_DIR / "uploads"
UPLOAD_MAX_BYTES = env.number("UPLOAD_MAX_BYTES", 2 * 1024**3)
UPLOADS_AT_ONCE = env.number("UPLOADS_AT_ONCE", 8)  # in one web process, of its sixteen threads
UPLOADS_AT_ONCE_PER_USER = env.number("UPLOADS_AT_ONCE_PER_USER", 3)
UPLOAD_SLOWEST = env.number("UPLOAD_SLOWEST", 8 * 1024)  # bytes a second; what is slower is cut and may go on
UPLOAD_PATIENCE = env.number("UPLOAD_PATIENCE", 20)  # seconds on top of that for each piece
UPLOAD_LIFETIME = timedelta(hours=env.number("UPLOAD_HOURS", 48))
QUOTA_USER_BYTES = env.number("QUOTA_USER_BYTES", 20 * 1024**3)
QUOTA_ORGANISATION_BYTES = env.number("QUOTA_ORGANISATION_BYTES", 200 * 1024**3)
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440

# Celery: the broker only carries news; every job's truth is its row, healed by the sweeps below.
CELERY_BROKER_URL = env.text("CELERY_BROKER_URL") or "filesystem://localhost"
BROKER_DIR = DATA_DIR / "broker"
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {
        "data_folder_in": str(BROKER_DIR / "messages"),
        "data_folder_out": str(BROKER_DIR / "messages"),
        "processed_folder": str(BROKER_DIR / "processed"),
        "control_folder": str(BROKER_DIR / "control"),
        "store_processed": True,
    }
    if CELERY_BROKER_URL.startswith("filesystem")
    else {}
)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {"inference.tasks.render_previews": {"queue": "gpu"}}
CELERY_TASK_SOFT_TIME_LIMIT = 540
CELERY_TASK_TIME_LIMIT = 600
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "beat-schedule")
CELERY_BEAT_SCHEDULE = {
    "inspections": {"task": "registry.tasks.sweep_inspections", "schedule": 20.0},
    "uploads": {"task": "registry.tasks.sweep_uploads", "schedule": 600.0},
    "previews": {"task": "inference.tasks.sweep_previews", "schedule": 20.0},
    "audit-anchors": {"task": "governance.tasks.anchor_audit", "schedule": 900.0},
}
# Nothing is charged for a download here; an installation that does so says it, because licences ask.
DOWNLOADS_ARE_PAID = env.flag("DOWNLOADS_ARE_PAID", False)
JOB_LEASE = timedelta(seconds=env.number("JOB_LEASE_SECONDS", 60))

# Where base-model weights lie, by catalogue slug: a local folder or a hub id. The tiny base ships with us.
BASE_MODEL_LOCATIONS = {
    "tinybase": str(BASE_DIR / "inference" / "tinybase"),
    **dict(pair.split("=", 1) for pair in env.words("BASE_MODEL_LOCATIONS")),
}
PREVIEW_DEVICE = env.text("PREVIEW_DEVICE", "cpu")

KEYS_DIR = DATA_DIR / "keys"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.ApiTokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.authentication.TokenScopePermission"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_THROTTLE_CLASSES": ["config.throttling.HeaderThrottle"],
    "DEFAULT_THROTTLE_RATES": {
        "user": env.text("RATE_USER", "600/min"),
        "anon": env.text("RATE_ANON", "120/min"),
    },
    "NUM_PROXIES": TRUSTED_PROXIES,
    "EXCEPTION_HANDLER": "config.errors.problem_handler",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Adapter Registry API",
    "DESCRIPTION": "Adapters for image models with computed licences, a download gate and decisions on record.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.text("LOG_LEVEL", "WARNING")},
}
EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
