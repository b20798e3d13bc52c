from __future__ import annotations
import json, asyncio, pytest


async def test_chunk(gateway, upstream, says):
    head = gateway.call(body=b"x", framing="Transfer-Encoding: chunked")[:-1]
    a = await gateway.send(head + b"zz\r\nhello\r\n0\r\n\r\n")
    print(a)
    r, w = await gateway.connect()
    w.write(head)
    await asyncio.sleep(0.1)
    w.write(b"5\r\nhello\r\nXX\r\n")
    a = await gateway.rest(r, w)
    print(a)
    r, w = await gateway.connect()
    w.write(head + b"5\r\nhello\r\n")
    await asyncio.sleep(0.1)
    w.write_eof()
    a = await gateway.rest(r, w)
    print(a)
    r, w = await gateway.connect()
    w.write(gateway.call())
    w.write_eof()
    a = await gateway.rest(r, w)
    print(a)
    print(upstream.received)
    for bad in [
        b"GARBAGE\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x00",
        b"GET / HTTP/1.1\r\nHost: x\r\nA" + b"a" * 9000 + b": 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: y\x01\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n",
    ]:
        a = await gateway.send(bad)
        print(a)
    print(await gateway.records())
