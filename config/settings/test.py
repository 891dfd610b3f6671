"""Settings of the test suite: cheap hashing, files in a folder of their own, tasks run when they are told."""

from config import environment as env
from config.settings.base import *

SECRET_KEY = "test-only-secret-key-that-guards-nothing-at-all"
DATA_KEYS = ["dGVzdC1vbmx5LWtleS10aGF0LWd1YXJkcy1ub3RoaW4"]
# Tests that run side by side have a database and a folder each.
DATA_DIR = env.data_dir() / "test" / (env.text("TEST_DATABASE_NAME") or "main") / env.text("PYTEST_XDIST_WORKER")
MEDIA_ROOT = DATA_DIR / "files"
UPLOAD_DIR = DATA_DIR / "uploads"
KEYS_DIR = DATA_DIR / "keys"
TRAINING_DIR = DATA_DIR / "training"
STORAGES["default"] = {
    "BACKEND": "django.core.files.storage.FileSystemStorage",
    "OPTIONS": {"location": str(MEDIA_ROOT), "base_url": None},
}
DATABASES["default"]["TEST"] = {"NAME": env.text("TEST_DATABASE_NAME") or "test_registry"}
DATABASES["default"]["CONN_MAX_AGE"] = 0
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
CELERY_BROKER_URL = "memory://"
CELERY_BROKER_TRANSPORT_OPTIONS = {}
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
WHITENOISE_AUTOREFRESH = True
PREVIEW_SEEDS = 0  # fewer pictures to render; tests of the whole set ask for it
SOURCES_READ = False  # no network beyond loopback; its own tests turn it on
TRAINING_STREAM_SECONDS = 0  # a stream of events ends when it has told what there is; its own tests give it time
