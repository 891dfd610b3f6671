"""Settings that every environment shares."""

from datetime import timedelta

import dj_database_url
from celery.schedules import crontab

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

# The source in AIR names (`urn:air:sdxl:lora:{source}:12@34`) that the Civitai API gives to versions.
AIR_SOURCE = env.text("AIR_SOURCE", "adapter-registry")

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
        # Seconds. A worker looks for its next message only after this pause; at the library's whole second, the
        # sweeps of one minute keep it from what people wait for during most of that minute.
        "polling_interval": 0.1,
    }
    if CELERY_BROKER_URL.startswith("filesystem")
    else {}
)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_DEFAULT_QUEUE = "default"
# Runs go to `train-<class>`, named when the message is sent.
CELERY_TASK_ROUTES = {
    "inference.tasks.render_previews": {"queue": "gpu"},
    "inference.tasks.draw_generations": {"queue": "gpu"},
}
CELERY_TASK_SOFT_TIME_LIMIT = 540
CELERY_TASK_TIME_LIMIT = 600
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "beat-schedule")
CELERY_BEAT_SCHEDULE = {
    "inspections": {"task": "registry.tasks.sweep_inspections", "schedule": 20.0},
    "uploads": {"task": "registry.tasks.sweep_uploads", "schedule": 600.0},
    "broker": {"task": "config.tasks.clear_broker", "schedule": 900.0},
    "previews": {"task": "inference.tasks.sweep_previews", "schedule": 20.0},
    "generations": {"task": "inference.tasks.sweep_generations", "schedule": 10.0},
    "generation-retention": {"task": "inference.tasks.forget_generations", "schedule": 3600.0},
    "makings": {"task": "inference.tasks.sweep_makings", "schedule": 20.0},
    "screenings": {"task": "moderation.tasks.sweep_screenings", "schedule": 20.0},
    "lookbacks": {"task": "moderation.tasks.sweep_lookbacks", "schedule": 20.0},
    "consents": {"task": "moderation.tasks.expire_consents", "schedule": 60.0},
    "webhooks": {"task": "registry.tasks.sweep_webhooks", "schedule": 60.0},
    "recalls": {"task": "moderation.tasks.deliver_recalls", "schedule": 60.0},
    "optout": {"task": "moderation.tasks.sweep_optout", "schedule": 60.0},
    "optout-index": {"task": "moderation.tasks.keep_optout_index", "schedule": 300.0},
    "optout-lists": {"task": "moderation.tasks.refresh_optout_lists", "schedule": crontab(hour=3, minute=17)},
    "audit-anchors": {"task": "governance.tasks.anchor_audit", "schedule": 900.0},
    "cases": {"task": "moderation.tasks.sweep_cases", "schedule": 60.0},
    "letters": {"task": "moderation.tasks.sweep_letters", "schedule": 60.0},
    "deletions": {"task": "moderation.tasks.keep_deletions", "schedule": 300.0},
    "exports": {"task": "moderation.tasks.sweep_exports", "schedule": 60.0},
    "retention": {"task": "moderation.tasks.enforce_retention", "schedule": crontab(hour=2, minute=41)},
    "runs": {"task": "training.tasks.sweep_runs", "schedule": 10.0},
    "run-folders": {"task": "training.tasks.forget_runs", "schedule": 3600.0},
    "run-standing": {"task": "training.tasks.check_running", "schedule": 60.0},
    "datasets": {"task": "training.tasks.sweep_datasets", "schedule": 20.0},
    "dataset-rights": {"task": "training.tasks.compare_datasets", "schedule": 120.0},
    "dataset-retention": {"task": "training.tasks.keep_datasets", "schedule": crontab(hour=2, minute=11)},
    "enrolments": {"task": "moderation.tasks.sweep_enrolments", "schedule": 30.0},
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
# Further seeds of the first prompt, for measuring how much pictures differ; each costs two pictures of a version.
PREVIEW_SEEDS = env.number("PREVIEW_SEEDS", 2)

# Generation ("Try it"). What one request and one person may ask for, how pictures are made, and how long they are kept.
GENERATION_PICTURES_PER_REQUEST = env.number("GENERATION_PICTURES_PER_REQUEST", 36)
GENERATION_WAITING_PER_USER = env.number("GENERATION_WAITING_PER_USER", 120)  # pictures in the queue
GENERATION_PICTURES_A_DAY = env.number("GENERATION_PICTURES_A_DAY", 500)  # of one person, in the last 24 hours
GENERATION_BATCH_ROWS = env.number("GENERATION_BATCH_ROWS", 100)  # requests in one file
GENERATION_STEPS_MAX = env.number("GENERATION_STEPS_MAX", 80)
GENERATION_PIXELS_MAX = env.number("GENERATION_PIXELS_MAX", 1536 * 1536)  # of one picture
GENERATION_ADAPTERS_MAX = env.number("GENERATION_ADAPTERS_MAX", 8)  # in one picture
GENERATION_TOGETHER = env.number("GENERATION_TOGETHER", 4)  # pictures in one run, of whoever waits
GENERATION_MEMORY = env.number("GENERATION_MEMORY", 1024**3)  # bytes of adapters that a worker keeps at hand
GENERATION_SLOTS = env.number("GENERATION_SLOTS", 16)  # and at most so many of them
# How a base model serves its adapters: slug=dynamic, static or compiled, separated by commas. See docs/serving.md.
GENERATION_PATTERNS = env.pairs("GENERATION_PATTERNS")
GENERATION_PATIENCE = timedelta(hours=env.number("GENERATION_PATIENCE_HOURS", 24))  # then a waiting picture is given up
GENERATION_RETENTION = timedelta(days=env.number("GENERATION_RETENTION_DAYS", 30))  # prompts and pictures
GENERATION_IS_PAID = env.flag("GENERATION_IS_PAID", False)  # say so if you charge for it: licences ask

# Merging, converting, extracting, comparing
MAKING_WAITING_PER_USER = env.number("MAKING_WAITING_PER_USER", 10)  # unfinished jobs of one person
MADE_FILES_LIFETIME = timedelta(days=env.number("MADE_FILES_DAYS", 7))  # other forms of files, merged base models

KEYS_DIR = DATA_DIR / "keys"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.ApiTokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.authentication.TokenScopePermission"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "URL_FORMAT_OVERRIDE": None,  # `format` is a parameter of the Civitai API
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
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "config.schema.document_problems",
    ],
    # Fields of one name with different choices, told apart.
    "ENUM_NAME_OVERRIDES": {
        "SubjectKindEnum": "moderation.models.consent.SubjectKind",
        "PictureKindEnum": "registry.models.samples.SampleKind",
        "MakingKindEnum": "inference.models.making.Making",
        "VersionLayoutEnum": "inference.making_options.VERSION_LAYOUTS",
        "GenerationPurposeEnum": "inference.generation_options.PURPOSE_NAMES",
        "TrainingPurposeEnum": "training.models.datasets.Purpose",
    },
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.text("LOG_LEVEL", "WARNING")},
}

# Mail: by SMTP where a server is named, otherwise onto the console.
EMAIL_HOST = env.text("EMAIL_HOST")
EMAIL_USE_SSL = env.flag("EMAIL_USE_SSL", False)  # TLS from the first byte, usually port 465
EMAIL_USE_TLS = env.flag("EMAIL_USE_TLS", False)  # STARTTLS, usually port 587
EMAIL_PORT = env.number("EMAIL_PORT", 465 if EMAIL_USE_SSL else 587 if EMAIL_USE_TLS else 25)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD")
EMAIL_TIMEOUT = env.number("EMAIL_TIMEOUT", 20)  # seconds; what is not taken by then is tried again
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if EMAIL_HOST else 'console'}.EmailBackend"
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "registry@localhost")
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# Cases: hours from the report or the hold to the time by which a person has to have decided.
CASE_HOURS = {
    "minors": 24,
    "intimate": 48,  # TAKE IT DOWN Act, section 3(a)(3)(A)
    "emergency": 24,
    "likeness": 72,
    "consent": 72,
    "copy": 72,
    "rights": 120,
    "illegal": 120,
    "opt-out": 120,
    "publication": 72,
    "licence": 240,
    "appeal": 336,
    "spam": 168,
    "quality": 720,
} | {kind: int(hours) for kind, hours in (pair.split("=", 1) for pair in env.words("CASE_HOURS"))}
# What nobody has decided shortly before its time is held back by the house, until a person decides.
CASES_HELD_WHEN_DUE = frozenset(env.words("CASES_HELD_WHEN_DUE", "intimate,minors"))
CASE_CLAIM = timedelta(minutes=env.number("CASE_CLAIM_MINUTES", 20))  # how long a case is one moderator's own
STRIKE_LIFETIME = timedelta(days=env.number("STRIKE_DAYS", 180))
STRIKES_FOR_REVIEW = env.number("STRIKES_FOR_REVIEW", 2)  # with so many in force, a person looks at every upload
APPEAL_WINDOW = timedelta(days=env.number("APPEAL_DAYS", 184))  # six months at least: DSA, Article 20(1)
# Business days after a counter-notice, from and until, in which what was removed is put back: 17 U.S.C. 512(g)(2)(C).
COUNTER_NOTICE_DAYS = (10, 14)
REPORTS_PER_ADDRESS = env.number("REPORTS_PER_ADDRESS", 10)  # in an hour
REPORTS_PER_PERSON = env.number("REPORTS_PER_PERSON", 10)  # in an hour, by account and by e-mail address
DISCUSSION_ENTRIES_PER_PERSON = env.number("DISCUSSION_ENTRIES_PER_PERSON", 60)  # comments and changes in an hour
EVIDENCE_MAX_BYTES = env.number("EVIDENCE_MAX_BYTES", 10 * 1024**2)
EVIDENCE_MAX_FILES = 5  # of one report

# Consents, recalls, and what goes out of the house because of them
CONSENT_ANSWER_TIME = timedelta(days=env.number("CONSENT_ANSWER_DAYS", 30))
CONSENT_ASKS_A_DAY = env.number("CONSENT_ASKS_A_DAY", 20)  # by one person
CONSENT_LETTERS_A_DAY = env.number("CONSENT_LETTERS_A_DAY", 5)  # to one mailbox, whoever asks
OUTBOX_LEASE = timedelta(seconds=env.number("OUTBOX_LEASE_SECONDS", 120))  # longer than a send may take
# Networks inside which webhooks may reach although they are not public, such as 10.20.0.0/16,fd00::/8. Plain http goes
# there only.
WEBHOOK_NETWORKS = env.words("WEBHOOK_NETWORKS")
WEBHOOK_CA_FILE = env.text("WEBHOOK_CA_FILE")  # certificates that receivers' are checked against; empty: the system's

# Likeness: what finds and describes faces, by its dotted path; changing it asks people to enrol again.
LIKENESS_READER = env.text("LIKENESS_READER", "moderation.matching.dlib_faces.DlibReader")
LIKENESS_INVITATION = timedelta(days=env.number("LIKENESS_INVITATION_DAYS", 14))
LIKENESS_ENROLMENTS_PER_DAY = env.number("LIKENESS_ENROLMENTS_PER_DAY", 5)  # of one account

# Where people write to the moderators: an e-mail address, shown at the foot of each page.
CONTACT = env.text("CONTACT")

# Whether the servers of declared training sources are asked if they allow it; without the internet, say no.
SOURCES_READ = env.flag("SOURCES_READ", True)

# The opt-out register. Lists that are fetched every night: name=https://…, separated by commas. The operator answers
# for them: what they name counts as verified. Addresses inside WEBHOOK_NETWORKS may be fetched too.
OPTOUT_LISTS = env.pairs("OPTOUT_LISTS")
OPTOUT_LIST_MAX_BYTES = env.number("OPTOUT_LIST_MAX_BYTES", 2 * 1024**3)
OPTOUT_LIST_SECONDS = env.number("OPTOUT_LIST_SECONDS", 1200)  # that fetching one list may take
OPTOUT_REGISTRATIONS_PER_ADDRESS = env.number("OPTOUT_REGISTRATIONS_PER_ADDRESS", 10)  # in an hour
OPTOUT_MAILS_PER_MAILBOX = env.number("OPTOUT_MAILS_PER_MAILBOX", 5)  # in a day
OPTOUT_PICTURES_AT_ONCE = env.number("OPTOUT_PICTURES_AT_ONCE", 12)  # of one registration

# Data protection. What is asked by link, how long an export can be fetched, and how often one may be made.
PRIVACY_LINK_LIFETIME = timedelta(hours=env.number("PRIVACY_LINK_HOURS", 72))
PRIVACY_LINKS_PER_ADDRESS = env.number("PRIVACY_LINKS_PER_ADDRESS", 10)  # in an hour, asked from one place
PRIVACY_MAILS_PER_MAILBOX = env.number("PRIVACY_MAILS_PER_MAILBOX", 3)  # in a day
EXPORTS_A_DAY = env.number("EXPORTS_A_DAY", 3)  # of one person
EXPORT_LIFETIME = timedelta(days=env.number("EXPORT_DAYS", 7))
EXPORT_LEASE = timedelta(seconds=env.number("EXPORT_LEASE_SECONDS", 900))

# Retention: days after which the nightly task deletes. What each covers is told in docs/privacy.md.
RETENTION_UPLOADS = timedelta(days=env.number("RETENTION_UPLOADS_DAYS", 30))  # names of files that were submitted
RETENTION_CONTACTS = timedelta(days=env.number("RETENTION_CONTACTS_DAYS", 190))  # longer than an appeal may take
RETENTION_CASES = timedelta(days=env.number("RETENTION_CASES_DAYS", 730))  # texts, notes and evidence of decided cases
RETENTION_CONSENTS = timedelta(days=env.number("RETENTION_CONSENTS_DAYS", 365))  # declined, lapsed or taken back
RETENTION_CONSENT_EVIDENCE = timedelta(days=env.number("RETENTION_CONSENT_EVIDENCE_DAYS", 1095))  # after its end
RETENTION_MAILS = timedelta(days=env.number("RETENTION_MAILS_DAYS", 90))  # letters and mails that are done with
RETENTION_WEBHOOKS = timedelta(days=env.number("RETENTION_WEBHOOKS_DAYS", 90))  # messages and their log
RETENTION_LINKS = timedelta(days=env.number("RETENTION_LINKS_DAYS", 7))  # after a link ran out
RETENTION_NOTES = timedelta(days=env.number("RETENTION_NOTES_DAYS", 365))  # notes of checks, and their matches
RETENTION_TOKENS = timedelta(days=env.number("RETENTION_TOKENS_DAYS", 90))  # API tokens that ended
RETENTION_STRIKES = timedelta(days=env.number("RETENTION_STRIKES_DAYS", 365))  # after they ended
RETENTION_BATCH = env.number("RETENTION_BATCH", 500)  # rows of one transaction

# Datasets. What one upload may hold, what is kept of a picture, and how long.
DATASET_PICTURES_MAX = env.number("DATASET_PICTURES_MAX", 2000)  # of one dataset, class pictures counted
DATASET_PICTURES_LEAST = env.number("DATASET_PICTURES_LEAST", 3)  # left to train on, or no run starts
DATASET_PICTURE_BYTES = env.number("DATASET_PICTURE_BYTES", 50 * 1024**2)  # of one file as it is sent
DATASET_ARCHIVE_BYTES = env.number("DATASET_ARCHIVE_BYTES", 2 * 1024**3)  # of all files in one zip, unpacked
DATASET_SIDE_MAX = env.number("DATASET_SIDE_MAX", 2048)  # pixels of the longer side of what is kept
DATASET_RETENTION = timedelta(days=env.number("DATASET_RETENTION_DAYS", 30))  # after the last run, or the last change
# Captioners by name: name=kind:folder-or-hub-id, separated by commas. Kinds: transformers, wd-tagger. `shapes` needs no
# model and fits the tiny base.
CAPTIONERS = {"shapes": "rules", **env.pairs("CAPTIONERS")}
CAPTIONER_DEVICE = env.text("CAPTIONER_DEVICE", "cpu")

# Training: classes of machines, `name=device/memory in GiB/tariff per second/workers`, separated by commas. Each has a
# queue `train-<name>` of its own; the tariff is what a second of use costs.
TRAINING_CLASSES = env.pairs("TRAINING_CLASSES") or {"cpu": "cpu/4/0/1"}
TRAINING_CURRENCY = env.text("TRAINING_CURRENCY", "EUR")
TRAINING_DIR = DATA_DIR / "training"  # checkpoints and caches of this machine; synchronised with an object store
TRAINING_LEASE = timedelta(seconds=env.number("TRAINING_LEASE_SECONDS", 60))
# After so long a run lets others go first, at a checkpoint, where somebody waits.
TRAINING_SLICE = timedelta(seconds=env.number("TRAINING_SLICE_SECONDS", 3600))
TRAINING_AT_ONCE_PER_USER = env.number("TRAINING_AT_ONCE_PER_USER", 1)  # runs on a machine, in all organisations
TRAINING_AT_ONCE_PER_ORGANISATION = env.number("TRAINING_AT_ONCE_PER_ORGANISATION", 4)
TRAINING_SECONDS_A_MONTH_PER_USER = env.number("TRAINING_SECONDS_A_MONTH_PER_USER", 72_000)  # the last 30 days
TRAINING_SECONDS_A_MONTH_PER_ORGANISATION = env.number("TRAINING_SECONDS_A_MONTH_PER_ORGANISATION", 720_000)
TRAINING_ENDED_RETENTION = timedelta(
    days=env.number("TRAINING_ENDED_RETENTION_DAYS", 14)
)  # of runs that came to nothing
TRAINING_EXPORTS_PER_USER = env.number("TRAINING_EXPORTS_PER_USER", 3)  # chosen checkpoints that wait to be written
TRAINING_WAITING_PER_USER = env.number("TRAINING_WAITING_PER_USER", 20)  # runs in the queue
# Shares of people and organisations that are not 1: name=2, separated by commas.
TRAINING_SHARES = {name: float(share) for name, share in env.pairs("TRAINING_SHARES").items()}
TRAINING_STREAMS_AT_ONCE = env.number("TRAINING_STREAMS_AT_ONCE", 4)  # live connections of one web process
TRAINING_STREAM_SECONDS = env.number("TRAINING_STREAM_SECONDS", 20)  # that one lasts; browsers connect again
