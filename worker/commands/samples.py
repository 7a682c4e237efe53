"""``samples serve`` and ``samples send``: the demo's pictures and listings, for a stack with a broker of its own."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import typer

from worker.commands.shared import plain_errors, settings_of

samples_app = typer.Typer(help="Sample listings for trying a stack out.", no_args_is_help=True)


@samples_app.command("serve")
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8080,
) -> None:
    """Serve the sample pictures over HTTP until a signal comes."""
    with plain_errors():
        asyncio.run(_serve(host, port))


@samples_app.command("send")
def send(
    context: typer.Context,
    image_host: Annotated[str, typer.Option(metavar="URL", help="Where 'samples serve' answers, no slash at the end.")],
    listings: Annotated[int | None, typer.Option(min=1, help="How many; default: each sample once.")] = None,
) -> None:
    """Send the sample listings to the input topic; the worker needs that host in fetch.allow_endpoints."""
    settings = settings_of(context)
    with plain_errors():
        from worker.demo.samples import load_samples
        from worker.demo.sending import send_samples

        num_sent = send_samples(settings.kafka, load_samples(listings, image_host))
        typer.echo(json.dumps({"topic": settings.kafka.input_topic, "sent": num_sent}))


async def _serve(host: str, port: int) -> None:
    from worker.demo.imagehost import ImageHost
    from worker.demo.samples import load_pictures
    from worker.demo.sending import until_signal

    async with ImageHost(load_pictures(), host=host, port=port) as running:
        typer.echo(json.dumps({"serving": running.base_url}))
        await until_signal()
