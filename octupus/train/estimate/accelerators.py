"""Accelerators that are known by name: how fast they multiply, and how much memory a process finds on them."""

from __future__ import annotations

from dataclasses import dataclass

from octupus.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One model of GPU. Rates are the vendor's peaks of dense matrix products, in FLOP/s, without sparsity."""

    key: str
    """Its name on the command line."""
    words: tuple[str, ...]
    """Words of its `torch.cuda.get_device_name()`, which are parted by blanks and hyphens."""
    memory_gib: float
    """What PyTorch reports as total memory, rounded down: less than the vendor's figure, which is in 10^9 bytes."""
    float32: float
    """Without tensor cores, PyTorch's default for float32."""
    float16: float
    bfloat16: float | None
    """None where the chip has no bfloat16."""

    def peak_flops(self, dtype: str) -> float | None:
        """Peak rate of float32, float16 or bfloat16; None for a type it does not have."""
        return {"float32": self.float32, "float16": self.float16, "bfloat16": self.bfloat16}.get(dtype)


# The first whose words all occur in a device's name is taken, so special ones come first. Rates are from NVIDIA's data
# sheets (nvidia.com/en-us/data-center/<product>): B200 from "HGX B200" divided by its 8 GPUs; H200, H100 and A100 from
# the sheets of those names; L40S, L4 and A10G ("A10", AWS's G5 page for the G); V100 "Tesla V100"; RTX 4090 from the
# "Ada GPU Architecture" white paper, with float32 accumulation. Sheets that give a rate with sparsity were halved.
ACCELERATORS = (
    Accelerator("b200", ("B200",), 178, 75e12, 2250e12, 2250e12),
    Accelerator("h200-nvl", ("H200", "NVL"), 139, 60e12, 835e12, 835e12),
    Accelerator("h200", ("H200",), 139, 67e12, 989e12, 989e12),
    Accelerator("h100-nvl", ("H100", "NVL"), 93, 60e12, 835e12, 835e12),
    Accelerator("h100-pcie", ("H100", "PCIe"), 79, 51e12, 756e12, 756e12),
    Accelerator("h100-80gb", ("H100",), 79, 67e12, 989e12, 989e12),
    Accelerator("a100-80gb", ("A100", "80GB"), 79, 19.5e12, 312e12, 312e12),
    Accelerator("a100-40gb", ("A100",), 39, 19.5e12, 312e12, 312e12),
    Accelerator("l40s", ("L40S",), 44, 91.6e12, 362e12, 362e12),
    Accelerator("l4", ("L4",), 22, 30.3e12, 121e12, 121e12),
    Accelerator("a10g", ("A10G",), 22, 35e12, 70e12, 70e12),
    Accelerator("rtx4090", ("RTX", "4090"), 23.5, 82.6e12, 165e12, 165e12),
    Accelerator("v100-32gb", ("V100", "32GB"), 31.7, 15.7e12, 125e12, None),
    Accelerator("v100-16gb", ("V100",), 15.7, 15.7e12, 125e12, None),
)


def accelerator(key: str) -> Accelerator:
    """The accelerator of that key. Raises ConfigError, naming all, when there is none."""
    for known in ACCELERATORS:
        if known.key == key.lower():
            return known
    raise ConfigError(f"GPU {key!r} is not known; known: {', '.join(known.key for known in ACCELERATORS)}")


def named_accelerator(device_name: str) -> Accelerator | None:
    """The accelerator that `torch.cuda.get_device_name()` names; None when it is not known."""
    found = set(device_name.lower().replace("-", " ").split())
    return next((known for known in ACCELERATORS if found.issuperset(word.lower() for word in known.words)), None)


def peak_flops(device_name: str, dtype: str) -> float | None:
    """Peak dense FLOP/s of a device for float32, float16 or bfloat16; None when the device or its rate is not known."""
    known = named_accelerator(device_name)
    return None if known is None else known.peak_flops(dtype)
