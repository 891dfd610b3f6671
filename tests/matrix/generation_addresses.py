"""Every address of "Try it", asked about a generation of one member: nobody else sees it, whatever their role."""

from typing import Any

from tests.matrix.adapter_addresses import ABSENT_ID
from tests.matrix.house import House
from tests.matrix.site_addresses import JSON, SiteAddress

S = SiteAddress
PAGE, FORM = {"*": 200, "anonymous": 302}, {"*": 422, "anonymous": 302}
NOWHERE = {"prompt": "x", "base_model": "none"}
BATCH = {"base_model": "none", "requests": [{"prompt": "x"}]}
GALLERY = {"owner": "nobody", "name": "nothing", "number": 1}


def mine(status: int, guest: int) -> dict[str, int]:
    return {"*": 404, "anonymous": guest, "uploader": status}


def the_generation(house: House) -> list[Any]:
    return [house.generation_id]


def the_picture(house: House) -> list[Any]:
    return [house.generated_id]


def the_batch(house: House) -> list[Any]:
    return [house.generation_batch_id]


ABSENT = (ABSENT_ID,)

GENERATIONS = [
    S("generate", "GET", PAGE),
    S("generate", "POST", FORM, data={"prompt": ""}),
    S("generation_check", "POST", PAGE, data={"prompt": "x"}),
    S("generation_settings", "GET", PAGE),
    S("generation_pick", "GET", PAGE),
    S("generation_history", "GET", PAGE),
    S("generation_batch_new", "GET", PAGE),
    S("generation_batch_new", "POST", FORM),
    S("generation_batch", "GET", mine(200, 302), the_batch, absent=ABSENT),
    S("generation", "GET", mine(200, 302), the_generation, absent=ABSENT),
    S("generation_cancel", "POST", mine(409, 302), the_generation, absent=ABSENT),
    S("generation_delete", "POST", mine(302, 302), the_generation, absent=ABSENT),
    S("generated", "GET", mine(200, 404), the_picture, absent=ABSENT),
    S("generated_preview", "GET", {"*": 404}, the_picture, absent=ABSENT),
    S("generated_gallery", "POST", mine(404, 302), the_picture, data={"version": "0"}),
    S("api_generations", "GET", {"*": 200, "anonymous": 401}),
    S("api_generations", "POST", {"*": 422, "anonymous": 401}, data=NOWHERE, content_type=JSON),
    S("api_generation_check", "POST", {"*": 422, "anonymous": 401}, data=NOWHERE, content_type=JSON),
    S("api_generation_options", "GET", {"*": 200, "anonymous": 401}),
    S("api_generation", "GET", mine(200, 404), the_generation, absent=ABSENT),
    S("api_generation", "DELETE", mine(204, 401), the_generation, absent=ABSENT),
    S("api_generation_cancel", "POST", mine(409, 401), the_generation, absent=ABSENT, content_type=JSON),
    S("api_generation_batches", "POST", {"*": 422, "anonymous": 401}, data=BATCH, content_type=JSON),
    S("api_generation_batch", "GET", mine(200, 404), the_batch, absent=ABSENT),
    S("api_generated_image", "GET", mine(200, 404), the_picture, absent=ABSENT),
    S("api_generated_gallery", "POST", mine(404, 401), the_picture, data=GALLERY, content_type=JSON),
]
