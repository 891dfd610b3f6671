"""Settings of a real installation behind TLS; everything secret comes from the environment."""

from django.core.exceptions import ImproperlyConfigured

from config import environment as env
from config.settings.base import *

SECRET_KEY = env.text("SECRET_KEY")
if not SECRET_KEY:
    raise ImproperlyConfigured("SECRET_KEY is not set: production needs a long random value of its own.")
DATA_KEYS = env.words("DATA_KEYS")
if not DATA_KEYS:
    raise ImproperlyConfigured(
        "DATA_KEYS is not set: face templates and evidence are encrypted with it. Make a key by "
        'python -c "import secrets; print(secrets.token_urlsafe(32))" and keep it apart from the database.'
    )

SECURE_SSL_REDIRECT = env.flag("SECURE_SSL_REDIRECT", True)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = env.number("SECURE_HSTS_SECONDS", 31_536_000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
STORAGES["staticfiles"] = {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
EMAIL_HOST = EMAIL_HOST or "localhost"  # never the console: mails carry secrets
