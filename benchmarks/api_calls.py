"""Generated calls of the whole API against a running site: no 500, and nothing that the schema does not say.

    python -m benchmarks.api_calls --site http://127.0.0.1:8000 --token reg_… [--calls 10000]

Schemathesis reads `/api/schema`, makes valid and invalid calls of every operation, and checks each answer: no error of
the server, a documented status and content type, a body of the documented shape. Runs follow each other, each with
another seed, until that many calls were made. Give the token's account no rate limit (RATE_USER), and use a site whose
data may change.
"""

import argparse
import re
import subprocess
import sys
from dataclasses import dataclass

# Left out, each for what it is:
# - positive_data_acceptance: a body of the right shape may still name what is not there, or what a rule forbids;
# - negative_data_rejection: what a query string says in excess is not read;
# - ignored_auth: what is public is answered with and without a token.
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,missing_required_header,unsupported_method"
)
# The token that the run itself uses would be revoked by one of these.
OWN_TOKEN = "/api/v1/tokens"
GENERATED = re.compile(r"(\d[\d,]*) generated")


@dataclass(frozen=True)
class Outcome:
    """How many calls one run made, whether anything failed, and what it printed."""

    calls: int
    failed: bool
    output: str


def run(site: str, token: str, *, seed: int, examples: int, seconds: int) -> Outcome:
    """One run over every operation, of at most `seconds`."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{site}/api/schema"]
    command += ["-H", f"Authorization: Bearer {token}", "--phases", "examples,coverage,fuzzing"]
    command += ["--checks", CHECKS, "--exclude-path-regex", OWN_TOKEN, "--continue-on-failure", "--no-color"]
    command += ["-n", str(examples), "--seed", str(seed), "--max-time", str(seconds), "--request-timeout", "60"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = GENERATED.search(done.stdout)
    calls = int(found[1].replace(",", "")) if found else 0
    return Outcome(calls, done.returncode != 0, done.stdout + done.stderr)


def main() -> int:
    """Runs until enough calls were made; the exit status says whether any failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--examples", type=int, default=25)
    parser.add_argument("--seconds", type=int, default=900)
    parser.add_argument("--seed", type=int, default=1, help="of the first run")
    options = parser.parse_args()
    made, failures, seed = 0, 0, options.seed
    while made < options.calls:
        done = run(options.site, options.token, seed=seed, examples=options.examples, seconds=options.seconds)
        if not done.calls:
            print(done.output)
            return 2
        made, seed, failures = made + done.calls, seed + 1, failures + done.failed
        print(f"run {seed - 1}: {done.calls:,} calls, {'FAILURES' if done.failed else 'no failure'}; {made:,} in all")
        if done.failed:
            print(done.output)
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
