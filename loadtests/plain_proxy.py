"""A proxy of an aiohttp server and an aiohttp client, in the plainest way: what the libraries cost without any check.

`plain_proxy.py UPSTREAM LOOP`, where LOOP is `asyncio`, or `uvloop` as in the gateway.
"""

from __future__ import annotations

import asyncio
import sys

import aiohttp
import uvloop
from aiohttp import web


async def serve(upstream: str) -> None:
    async def forward(request: web.BaseRequest) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name != "Host"}
        async with session.request(
            request.method, upstream + request.raw_path, headers=headers, data=request.content
        ) as answer:
            response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
            response.content_length = answer.content_length
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            await response.write_eof()
            return response

    async with aiohttp.ClientSession(auto_decompress=False) as session:
        runner = web.ServerRunner(web.Server(forward))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    {"asyncio": asyncio.run, "uvloop": uvloop.run}[sys.argv[2]](serve(sys.argv[1]))
