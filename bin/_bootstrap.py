"""What serve, test and check need before they start: Python, a virtual environment, the requirements.

Uses nothing but the standard library, and no syntax newer than Python 3.6, so that an old Python can say so.
"""

import hashlib
import os
import subprocess
import sys

PROJECT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(PROJECT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
RUNTIME = ["requirements.txt"]
TESTING = ["requirements.txt", os.path.join("tests", "requirements.txt")]


def fail(message):
    """One clear line, and a non-zero exit."""
    sys.stderr.write("error: %s\n" % message)
    raise SystemExit(1)


def say(message):
    sys.stdout.write(message + "\n")
    sys.stdout.flush()


def prepare(requirement_files):
    """Make the environment hold what these files ask for; does nothing when it does already."""
    if sys.version_info < (3, 11):
        fail(
            "this needs Python 3.11 or newer, and %s is %s. Install a newer one and run it with that: python3.12 %s"
            % (sys.executable, sys.version.split()[0], " ".join(sys.argv))
        )
    os.chdir(PROJECT)
    wanted = _digest(requirement_files)
    marker = os.path.join(VENV, "installed-" + wanted)
    if not os.path.exists(marker):
        _create_environment()
        _install(requirement_files)
        with open(marker, "w") as file:
            file.write("\n".join(requirement_files) + "\n")


def run(module, arguments):
    """Become `python -m module` of the environment."""
    os.execve(PYTHON, [PYTHON, "-m", module] + list(arguments), _environment())


def call(module, arguments):
    """Run `python -m module` of the environment to its end; its exit code."""
    return subprocess.call([PYTHON, "-m", module] + list(arguments), env=_environment())


def _environment():
    environment = dict(os.environ)
    environment["PATH"] = os.path.join(VENV, "bin") + os.pathsep + environment.get("PATH", "")
    environment["VIRTUAL_ENV"] = VENV
    return environment


def _digest(requirement_files):
    digest = hashlib.sha256(sys.version.split()[0].encode())
    for name in requirement_files:
        with open(os.path.join(PROJECT, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()[:16]


def _create_environment():
    if os.path.exists(PYTHON):
        return
    say("setting up: creating .venv")
    done = subprocess.run([sys.executable, "-m", "venv", VENV], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        output = done.stdout.decode(errors="replace")
        if "ensurepip" in output:
            fail("this Python has no venv module with pip; on Debian and Ubuntu: apt-get install python3-venv")
        fail("cannot create %s: %s" % (VENV, output.strip().splitlines()[-1:] or output))


def _install(requirement_files):
    say("setting up: installing %s (the first time takes minutes: PyTorch is large)" % " and ".join(requirement_files))
    command = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    for name in requirement_files:
        command += ["-r", name]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    last = []
    for raw in process.stdout:
        line = raw.decode(errors="replace").rstrip()
        last = (last + [line])[-15:]
        if line.startswith(("Collecting ", "Installing ")):
            say("  " + line[:100])
    if process.wait():
        sys.stderr.write("\n".join(last) + "\n")
        full = any("No space left" in line for line in last)
        fail(
            "the disk is full: free about 3 GB and run this again"
            if full
            else "pip could not install the requirements; its last lines are above"
        )
