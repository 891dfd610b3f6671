"""The progress lines of `bin/serve`, printed by itself and by the command that sets everything up."""

STEPS = 5


def step(number: int, text: str) -> None:
    print(f"[{number}/{STEPS}] {text}", flush=True)
