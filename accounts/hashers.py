"""How passwords are hashed: argon2id with bounded memory, so that many sign-ins at once do not fill the machine."""

import threading

from django.contrib.auth.hashers import Argon2PasswordHasher

# A hash takes 19 MiB for some 30 ms of one core; more at once than cores would only add up memory.
AT_ONCE = threading.BoundedSemaphore(2)


class BoundedArgon2PasswordHasher(Argon2PasswordHasher):
    """argon2id with the second set of parameters that OWASP's password storage cheat sheet recommends.

    Django's default takes 100 MiB a hash, which eight threads turn into 800.
    """

    time_cost = 2
    memory_cost = 19_456  # KiB
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        with AT_ONCE:
            return str(super().encode(password, salt))

    def verify(self, password: str, encoded: str) -> bool:
        with AT_ONCE:
            return bool(super().verify(password, encoded))
