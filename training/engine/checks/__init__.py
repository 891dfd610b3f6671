"""What is wrong with a recipe before it runs: every combination that cannot work, or that would quietly do nothing.

    for problem in problems(config, Situation(pictures=24, validation=6)):
        problem.field, problem.what, problem.why, problem.remedy, problem.severity

Pure and without torch, so that a form can say it while a person types. `refused(found)` keeps those that stop a run.
"""

from training.engine.checks.every import problems, refused
from training.engine.checks.families import FAMILIES, FamilyFacts
from training.engine.checks.problem import Device, Problem, Severity, Situation

__all__ = ["FAMILIES", "Device", "FamilyFacts", "Problem", "Severity", "Situation", "problems", "refused"]
