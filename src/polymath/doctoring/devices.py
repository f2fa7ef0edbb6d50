"""Names of accelerators to what a data sheet says of them: memory, bandwidth, dense bfloat16 arithmetic, network.

Figures are NVIDIA's for the SXM modules: A100 80GB and H100 (data sheets), H200 (data sheet); without sparsity. The
network is a share of the machines they are sold in: DGX A100 has eight ports of 200 Gb/s for eight devices, DGX H100
and H200 eight of 400 Gb/s.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Device:
    """`memory` in bytes, `bandwidth` of it and `network` in bytes a second, `flops` in bfloat16 a second."""

    name: str
    memory: int
    bandwidth: float
    flops: float
    network: float


DEVICES: dict[str, Device] = {
    "a100": Device(name="A100 80GB", memory=80 * 10**9, bandwidth=2.039e12, flops=312e12, network=25e9),
    "h100": Device(name="H100 80GB", memory=80 * 10**9, bandwidth=3.35e12, flops=989e12, network=50e9),
    "h200": Device(name="H200 141GB", memory=141 * 10**9, bandwidth=4.8e12, flops=989e12, network=50e9),
}
