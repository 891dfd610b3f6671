"""Settings of `bin/serve`: one machine, embedded services, a secret of its own."""

from config import environment as env
from config.settings.base import *

DEBUG = env.flag("DEBUG", False)
SECRET_KEY = env.text("SECRET_KEY") or env.kept_secret(DATA_DIR / "secret-key")
# Whoever has this file reads what is encrypted: it is kept apart from the database and its backups.
DATA_KEYS = env.words("DATA_KEYS") or [env.kept_secret(DATA_DIR / "data-key", 32)]
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "*")
