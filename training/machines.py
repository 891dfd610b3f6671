"""Classes of machines that train, as the settings name them."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

GIB = 1024**3


@dataclass(frozen=True)
class MachineClass:
    """One kind of machine: what torch calls its device, its memory in bytes, and what a second of it costs.

    With several `processes` a run is trained by as many devices of the machine together; `memory` is that of each.
    """

    name: str
    device: str
    memory: int
    tariff: Decimal
    workers: int
    processes: int = 1

    @property
    def queue(self) -> str:
        return f"train-{self.name}"

    @property
    def label(self) -> str:
        """As a person reads it."""
        price = f"{self.tariff.normalize():f} {settings.TRAINING_CURRENCY} a second" if self.tariff else "no charge"
        devices = f"{self.processes} × " if self.processes > 1 else ""
        return f"{self.name}: {devices}{self.memory / GIB:g} GiB, {price}"


def machine_classes() -> dict[str, MachineClass]:
    """Every class by its name, in the order of the settings; raises ImproperlyConfigured."""
    return {name: _read(name, text) for name, text in settings.TRAINING_CLASSES.items()}


def machine_class(name: str) -> MachineClass:
    """The class of this name; raises KeyError."""
    return machine_classes()[name]


def _read(name: str, text: str) -> MachineClass:
    try:
        device, memory, tariff, workers = text.split("/")
        device, _, processes = device.partition("*")
        found = MachineClass(name, device, int(float(memory) * GIB), Decimal(tariff), int(workers), int(processes or 1))
        if found.processes < 1 or (found.processes > 1 and ":" in device):
            raise ValueError(device)  # several of them are not one by its number
        return found
    except (ValueError, InvalidOperation) as error:
        raise ImproperlyConfigured(
            f"TRAINING_CLASSES holds {name}={text!r}: write name=device/memory in GiB/tariff per second/workers; "
            "the device is cpu, cuda, cuda:1, or cuda*2 for two of them together."
        ) from error
