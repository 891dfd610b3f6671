"""Synthetic adapters for `benchmarks.search`: a database of its own, filled inside the server.

What grows the cost of a search is in the data, so the data are skewed like a real registry's: words and tags by
Zipf's law, families that come and go with the years, permitted uses that follow from the base model's licence, a
few large organisations with adapters of their own, downloads with a long tail, and mostly no ratings at all.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg

DATABASE = "registry_benchmark"
WORDS, TAGS = 20_000, 5_000
COMMON = (  # the head of the list, as descriptions and tags have them
    "the a and of for with this lora style to in is it on trained model you use your at weight strength from by my "
    "images character anime girl woman photo realistic art concept clothing face hair portrait background detail "
    "light dark color pose costume armor landscape painting comic watercolor sketch cinematic vintage fantasy cyberpunk"
).split()
SYLLABLES = "ka ri to mi sa no el an or ta ve lu shi mo ra ne ki du ha lo fe zu pi ga te ro mu si bo wa".split()

# family: share in the oldest and in the newest tenth of all adapters
FAMILIES = {
    "sd-1-5": (70, 6), "sd-2-1": (5, 0.1), "sdxl-1-0": (18, 18), "pony-v6": (3, 14), "illustrious-xl": (1, 28),
    "noobai-xl": (0.2, 5), "sdxl-turbo": (1, 0.3), "flux-1-dev": (0.5, 14), "flux-1-schnell": (0.2, 1),
    "flux-2-dev": (0, 2), "qwen-image": (0, 4), "z-image": (0, 4), "wan-2-1": (0, 3), "sd-3-5-large": (0.1, 0.5),
    "kolors": (0.1, 0.1), "hunyuan-dit": (0.1, 0.1), "ltx-2": (0, 0.3),
}  # fmt: skip
KINDS = {"lora": 84, "locon": 7, "dora": 2, "loha": 1.5, "lokr": 2, "textual-inversion": 3, "ia3": 0.1, "oft": 0.4}
COMMERCIAL = {"commercial-outputs", "hosted-service", "selling-weights"}
NON_COMMERCIAL = ("sdxl-turbo", "flux-2-dev", "noobai-xl")
ALL_USES = "commercial-outputs hosted-service merging personal redistribution research selling-weights".split()


def vocabulary() -> list[str]:
    """The words, the commonest first; the same every time."""
    dice = random.Random(7)
    made: dict[str, None] = dict.fromkeys(COMMON)
    while len(made) < WORDS:
        made["".join(dice.choices(SYLLABLES, k=dice.choice((2, 2, 3, 3, 4)))) + dice.choice(("", "", "n", "s"))] = None
    return list(made)


def url_of(server: str, name: str) -> str:
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))


@contextmanager
def server_url() -> Iterator[str]:
    """The server to use: that of DATABASE_URL, else the embedded one for as long as this runs."""
    from config import postgres
    from config.environment import data_dir, text

    with ExitStack() as stack:
        if not text("DATABASE_URL"):
            stack.enter_context(postgres.in_use(data_dir()))
        yield text("DATABASE_URL") or postgres.embedded_url(data_dir())


def exists(server: str, name: str) -> bool:
    with psycopg.connect(server) as connection:
        return connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is not None


def size(url: str) -> int:
    """Bytes on disk."""
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT pg_database_size(current_database())").fetchone()[0]


def create(server: str, name: str) -> None:
    drop(server, name)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')


def drop(server: str, name: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def fill(url: str, count: int) -> None:
    """Load `count` adapters with one version each into a migrated database that has the base models."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET maintenance_work_mem = '512MB'; SET synchronous_commit = off; SET jit = off")
        # Foreign keys and triggers hold by how the rows are made, and would only cost time.
        connection.execute("SET session_replication_role = replica")
        people, organisations = max(count // 20, 200), max(count // 2000, 20)
        connection.execute(PEOPLE.replace(":people", str(people)).replace(":organisations", str(organisations)))
        indexes = _drop_indexes(connection)
        bases = {slug: rest for slug, *rest in connection.execute(BASES)}
        connection.execute(STAGE)
        with connection.cursor() as cursor, cursor.copy(COPY) as copy:
            for row in _adapters(count, people, organisations, bases):
                copy.write_row(row)
        connection.execute(ADAPTERS)
        connection.execute(VERSIONS)
        for definition in indexes:
            connection.execute(definition)
        connection.execute("VACUUM ANALYZE")


def _adapters(count: int, people: int, organisations: int, bases: dict[str, list[Any]]) -> Iterator[tuple[Any, ...]]:
    """The adapters, the oldest first; what a row has is drawn here, and the server only indexes its words."""
    dice = random.Random(5)
    words = vocabulary()
    tags = words[15 : 15 + TAGS]
    zipf = list(accumulate(1 / n for n in range(1, WORDS + 1)))
    slugs, start = list(FAMILIES), datetime(2023, 1, 1, tzinfo=UTC)
    for i in range(1, count + 1):
        age = i / count
        slug = dice.choices(slugs, [old + (new - old) * age for old, new in FAMILIES.values()])[0]
        base, family, licence = bases[slug]
        title = " ".join(dice.choices(words, cum_weights=zipf, k=2 + i % 3))
        triggers = [words[dice.randrange(300, WORDS)] for _ in range(i % 3)]
        labels = sorted(set(dice.choices(tags, cum_weights=zipf[:TAGS], k=3 + i % 6)))
        prose = " ".join(dice.choices(words, cum_weights=zipf, k=8 + int(150 * dice.random() ** 2)))
        person, studio = _zipf(dice, people), dice.random() < 0.15
        owner = people + _zipf(dice, organisations) if studio else person
        slug_of_owner = f"studio-{owner - people}" if studio else f"user-{owner}"
        visibility, listed, published = _state(dice, studio)
        at = start + timedelta(days=1400 * age + 3 * dice.random())
        stars = round(2.5 + 2.5 * dice.random(), 4) if dice.random() < 0.3 else 0.0
        yield (
            i, owner, f"{title.replace(' ', '-')}-{i}", title, prose, visibility, _level(dice), person, at, listed,
            i if published == "now" else None, at if published else None, base, family,
            dice.choices(list(KINDS), list(KINDS.values()))[0], licence, triggers, labels, _uses(dice, slug),
            int(math.exp(12 * dice.random() ** 2)) - 1, stars, 1 + dice.randrange(40) if stars else 0, slug_of_owner,
        )  # fmt: skip


def _zipf(dice: random.Random, most: int) -> int:
    """A number from 1 to `most`, n with probability 1/n."""
    return min(int((most + 1) ** dice.random()), most)


def _state(dice: random.Random, studio: bool) -> tuple[str, bool, str]:
    """Visibility, whether it is listed, and whether something is published now, was once, or never."""
    drawn = dice.random()
    if drawn < 0.02:
        return "public", False, ""
    if drawn < 0.03:
        return "public", False, "once"
    if studio and drawn < 0.33:
        return "organisation", False, "now"
    if drawn < 0.05:
        return "private", False, "now"
    return "public", True, "now"


def _level(dice: random.Random) -> str:
    return dice.choices(["general", "suggestive", "mature"], [60, 25, 15])[0]


def _uses(dice: random.Random, slug: str) -> list[str]:
    """What the base's licence allows, narrowed by a third of the creators."""
    denied = dice.choices([set(), {"selling-weights", "hosted-service"}, COMMERCIAL], [65, 25, 10])[0]
    if slug in NON_COMMERCIAL:
        denied = COMMERCIAL
    elif slug == "flux-1-dev":
        denied = denied | {"hosted-service", "selling-weights"}
    return [use for use in ALL_USES if use not in denied]


def _drop_indexes(connection: psycopg.Connection) -> list[str]:
    """Drop the secondary indexes of the adapters, and answer how to build them again."""
    rows = connection.execute(
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
        " WHERE indrelid = 'registry_adapter'::regclass AND NOT indisunique"
    ).fetchall()
    for name, _ in rows:
        connection.execute(f"DROP INDEX {name}")
    return [definition for _, definition in rows]


PEOPLE = """
INSERT INTO accounts_user (id, password, is_superuser, username, first_name, last_name, email, is_staff, is_active,
        date_joined, display_name, is_moderator)
    SELECT i, '!', false, 'user-' || i, '', '', 'user-' || i || '@example.org', false, true, now(), '', false
    FROM generate_series(1, :people) i;
INSERT INTO accounts_organisation (id, display_name, description, created_at)
    SELECT i, 'Studio ' || i, '', now() FROM generate_series(1, :organisations) i;
INSERT INTO accounts_namespace (id, slug, user_id)
    SELECT i, 'user-' || i, i FROM generate_series(1, :people) i;
INSERT INTO accounts_namespace (id, slug, organisation_id)
    SELECT :people + i, 'studio-' || i, i FROM generate_series(1, :organisations) i;
-- Twenty members for each organisation. User 1 maintains the largest, user 2 is a member of three of middling size.
INSERT INTO accounts_membership (user_id, organisation_id, role, created_at)
    SELECT 4 + (7 * o + k) % (:people - 3), o, (ARRAY['owner', 'maintainer', 'member', 'reader'])[1 + k % 4], now()
    FROM generate_series(1, :organisations) o, generate_series(0, 19) k;
INSERT INTO accounts_membership (user_id, organisation_id, role, created_at)
    VALUES (1, 1, 'maintainer', now()), (2, 9, 'member', now()), (2, 14, 'member', now()), (2, 19, 'reader', now());
"""

BASES = "SELECT slug, id, family, licence_id FROM registry_basemodel"

STAGE = """
CREATE TEMPORARY TABLE stage (id bigint, owner_id bigint, name text, title text, description text, visibility text,
    content_level text, created_by_id bigint, at timestamptz, listed boolean, latest_id bigint,
    published_at timestamptz, base_model_id bigint, family text, kind text, licence_id text, trigger_words text[],
    tag_names text[], permitted_uses text[], download_count bigint, rating float, rating_count int, slug text);
"""
COPY = "COPY stage FROM STDIN"

# The words are indexed as `registry.services.listing` does it.
ADAPTERS = """
INSERT INTO registry_adapter (id, owner_id, name, title, description, visibility, content_level, created_by_id,
        created_at, updated_at, listed, latest_id, published_at, base_model_id, family, kind, licence_id,
        trigger_words, tag_names, permitted_uses, thumbnail, download_count, rating, rating_count, search)
SELECT id, owner_id, name, title, description, visibility, content_level, created_by_id, at, at, listed, latest_id,
       published_at, base_model_id, family, kind, licence_id, trigger_words, tag_names, permitted_uses, '',
       download_count, rating, rating_count,
       setweight(to_tsvector('simple', concat_ws(' ', title, replace(name, '-', ' '), name,
           array_to_string(trigger_words, ' '))), 'A')
       || setweight(to_tsvector('simple', concat_ws(' ', array_to_string(tag_names, ' '), kind, family, slug)), 'B')
       || setweight(to_tsvector('simple', description), 'D')
FROM stage;
DROP TABLE stage;
INSERT INTO registry_tag (name) SELECT DISTINCT unnest(tag_names) FROM registry_adapter;
"""

VERSIONS = """
INSERT INTO registry_version (id, public_id, adapter_id, number, label, notes, state, state_detail, created_by_id,
        created_at, published_at, base_model_id, licence_id, credit_required, allow_derivatives,
        allow_different_licence, commercial_use, depicts_real_person, training_sources, trigger_words, strength,
        preview_prompts, kind, family, permissions, scan_attempts, scan_progress, revision_id, decision_id,
        consent_ids, findings, fictional_statement)
    SELECT latest_id, gen_random_uuid(), id, 1, '', '', 'published', '{}', created_by_id, published_at, published_at,
           base_model_id, licence_id, true, true, false, '{}', false, 'own pictures', trigger_words, 1, '{}', kind,
           family, '{}', 0, 1, latest_id, latest_id, '{}', '[]', ''
    FROM registry_adapter WHERE latest_id IS NOT NULL;
"""
