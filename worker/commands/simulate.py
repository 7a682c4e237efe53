"""``simulate``: what batching would do with a device and a load, in virtual time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from worker.commands.shared import is_terminal, plain_errors

if TYPE_CHECKING:
    from worker.simulate import Result


def simulate(
    fixed_ms: Annotated[float, typer.Option(min=0, help="What a batch costs the device, whatever is in it.")] = 30.0,
    item_ms: Annotated[float, typer.Option(min=0, help="What each picture in it adds.")] = 6.0,
    batch: Annotated[int, typer.Option(min=1, help="Most listings in a batch.")] = 16,
    pictures: Annotated[int, typer.Option(min=1, help="Most pictures of a listing; each has 1 to so many.")] = 1,
    loads: Annotated[str, typer.Option(help="Shares of the device's capacity; 0: as much as the worker takes.")] = (
        "0.2,0.5,0.8,0.95,0"
    ),
    linger_ms: Annotated[float, typer.Option(min=0, help="Of the fixed linger to compare with.")] = 50.0,
    listings: Annotated[int, typer.Option(min=1, help="Listings per run.")] = 5_000,
    backfill_ms: Annotated[
        float, typer.Option(min=0, help="Beside a saturated backfill whose batches may take so long; 0: without.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="What decides the arrivals.")] = 1,
) -> None:
    """The worker's own batching against a fixed linger and against none, on the same arrivals. Takes no real time."""
    from worker.batch import BatchPolicy
    from worker.simulate import Device, Simulation, Traffic, adaptive, lingering, single, spare

    with plain_errors():
        policy = BatchPolicy(max_listings=batch, max_cost=batch * pictures)
        device = Device(fixed_ms / 1000, item_ms / 1000)
        mean_pictures = (1 + pictures) / 2
        capacity = batch / max(1e-9, device.fixed_seconds + device.item_seconds * batch * mean_pictures)
        ways = {
            "adaptive (ours)": lambda: adaptive(policy),
            f"linger {linger_ms:g} ms": lambda: lingering(policy, linger_ms / 1000),
            "one by one": single,
        }
        rows = []
        for load in map(float, loads.split(",")):
            traffic = Traffic(rate=load * capacity, count=listings, max_pictures=pictures)
            rows += [_row(load, name, Simulation(traffic, device, make(), seed).run()) for name, make in ways.items()]
            if backfill_ms:
                beside = Simulation(traffic, device, adaptive(policy), seed, spare(policy, backfill_ms / 1000)).run()
                rows.append(_row(load, f"ours, backfill {backfill_ms:g} ms", beside))
    _print(rows)


def _row(load: float, name: str, result: Result) -> dict[str, object]:
    return {
        "load": "saturated" if load == 0 else f"{load:.0%}",
        "policy": name,
        "listings_per_second": round(result.throughput, 1),
        "device_busy": round(result.busy_share, 3),
        "p50_ms": round(result.percentile(0.5) * 1000, 1),
        "p99_ms": round(result.percentile(0.99) * 1000, 1),
        "listings_per_batch": round(sum(result.batches) / len(result.batches), 1),
        "backfill_per_second": round(result.spare_throughput, 1),
    }


def _print(rows: list[dict[str, object]]) -> None:
    if not is_terminal():
        for row in rows:
            typer.echo(json.dumps(row))
        return
    table = Table(*(name.replace("_", " ") for name in rows[0]), box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console().print(table)
