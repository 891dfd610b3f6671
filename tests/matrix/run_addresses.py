"""Every address of training runs, asked about a run of the organisation that one of its members made."""

from typing import Any

from tests.matrix.adapter_addresses import ABSENT_ID
from tests.matrix.house import House
from tests.matrix.site_addresses import JSON, SiteAddress

S = SiteAddress
STEERING = ("uploader", "maintainer", "owner")  # who made it, and who manages the organisation


def inside(status: int, guest: int) -> dict[str, int]:
    """Its members read it; readers of the organisation's published adapters do not."""
    return {"*": 404, "anonymous": guest, **dict.fromkeys(("member", *STEERING), status)}


def steering(status: int, guest: int) -> dict[str, int]:
    return inside(status, guest) | {"member": 403}


def the_run(house: House) -> list[Any]:
    return [house.run_id]


def of_run(*more: Any) -> Any:
    return lambda house: [house.run_id, *more]


PAGE, GUEST, API_GUEST, API_READER = {"*": 200, "anonymous": 302}, 302, 401, 404
PLAN = {"dataset": "no/where", "base_model": "tinybase", "adapter_name": "x", "intended_use": "personal"}
ACTIONS = {"start": 409, "recheck": 409, "pause": 200, "resume": 409, "cancel": 200, "retry": 409}

RUNS = [
    S("training", "GET", PAGE),
    S("run_new", "GET", PAGE),
    S("run_new", "POST", {"*": 422, "anonymous": 302}, data={"dataset": "x"}),
    S("run_check", "POST", PAGE, data={"dataset": "x"}),
    S("run_sample", "GET", {"*": 404}, lambda house: [ABSENT_ID]),
    S("run", "GET", inside(200, GUEST), the_run, absent=(ABSENT_ID,)),
    S("run_events", "GET", inside(200, GUEST), the_run, absent=(ABSENT_ID,)),
    S("run_compare", "GET", inside(200, GUEST), the_run, absent=(ABSENT_ID,)),
    S("run_part", "GET", inside(200, GUEST), of_run("status"), absent=(ABSENT_ID, "status")),
    S("run_publish", "GET", steering(302, GUEST), the_run, absent=(ABSENT_ID,)),
    S("run_publish", "POST", steering(302, GUEST), the_run, absent=(ABSENT_ID,)),
    S("run_decide", "POST", inside(403, GUEST), the_run, absent=(ABSENT_ID,)),
    S("run_act", "POST", steering(302, GUEST), of_run("pause"), absent=(ABSENT_ID, "pause")),
    S("run_choose", "POST", steering(409, GUEST), of_run(5), absent=(ABSENT_ID, 5)),
    S("run_file", "GET", steering(404, 404), of_run(ABSENT_ID)),
    S("version_training", "GET", {"*": 404}, lambda house: ["studio", "nothing-here", 1]),
    S("version_card", "GET", {"*": 404}, lambda house: ["studio", "nothing-here", 1]),
    S("api_training_presets", "GET", {"*": 200}),
    S("api_training_check", "POST", {"*": 404, "anonymous": 401}, data=PLAN, content_type=JSON),
    S("api_training_runs", "GET", {"*": 200, "anonymous": 401}),
    S("api_training_runs", "POST", {"*": 404, "anonymous": 401}, data=PLAN, content_type=JSON),
    *(
        S(f"api_training_{part}", "GET", inside(200, API_READER), the_run, absent=(ABSENT_ID,))
        for part in ("run", "points", "events", "samples", "checkpoints")
    ),
    *(
        S(f"api_training_{name}", "POST", steering(status, API_GUEST), the_run, absent=(ABSENT_ID,), content_type=JSON)
        for name, status in ACTIONS.items()
    ),
    S("api_training_review", "POST", inside(403, API_GUEST), the_run, absent=(ABSENT_ID,), content_type=JSON,
      data={"verdict": "allow", "reasoning": "x"}),
    S("api_training_file", "GET", steering(404, API_GUEST), of_run(ABSENT_ID)),
    S("api_training_sample_content", "GET", {"*": 404, "anonymous": API_GUEST}, lambda house: [ABSENT_ID]),
    S("api_training_choose", "POST", steering(409, API_GUEST), of_run(5), absent=(ABSENT_ID, 5), content_type=JSON),
    S("api_training_publish", "POST", steering(409, API_GUEST), the_run, absent=(ABSENT_ID,), content_type=JSON,
      data={"rights_edition": "1"}),
]  # fmt: skip
