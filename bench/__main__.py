"""`make bench` measures every figure of docs/performance.md. Figures have a target, and, where the machine matters, a yardstick
from the same run.

`python -m bench NAME ...` runs some of them; `--seconds N` sets how long each load lasts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import (
    alerting,
    audit_devices,
    clustered,
    command_line,
    comparing,
    console,
    crypto,
    load,
    past,
    scale,
    signing_in,
    spans,
    trails,
    transparency,
)
from bench.appending import bare_append
from bench.installed import Installed, free_port, until

OUT = Path(__file__).with_name("out")
Figure = tuple[str, str, str]
"""(what, figure, target)."""


def encrypt_body(key: str) -> bytes:
    return json.dumps({"KeyId": key, "Plaintext": "QUFB" * 21 + "QQ=="}).encode()


def constant(seconds: float, connections: int, request: Callable[[str], bytes]) -> load.Result:
    """The yardstick for HTTP, with the same request's bytes."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    server = subprocess.Popen([sys.executable, "-m", "bench.constant", str(port)])
    try:
        until(lambda: load.run(url, request(url), 1, 0.01).rate > 0)
        load.run(url, request(url), connections, 1)
        return load.run(url, request(url), connections, seconds)
    finally:
        server.terminate()
        server.wait()


def encrypt(installed: Installed, seconds: float) -> list[Figure]:
    key = installed.client().create_key()["KeyMetadata"]["KeyId"]
    body = encrypt_body(key)

    def request(url: str) -> bytes:
        return load.signed(url, installed.credentials, "Encrypt", body)

    figures: list[Figure] = []
    load.run(installed.url, request(installed.url), 64, 2)
    many = load.run(installed.url, request(installed.url), 64, seconds)
    yardstick = constant(seconds, 64, request)
    share = many.rate / yardstick.rate
    figures.append(("Encrypt, 64 connections", many.summary(), ""))
    figures.append(("  yardstick: uvicorn, constant body", f"{yardstick.rate:,.0f}/s", ""))
    figures.append(("  share of the yardstick", f"{share:.2f}", "at least 0.25"))
    one = load.run(installed.url, request(installed.url), 1, seconds)
    yardstick_one = constant(seconds, 1, request)
    figures.append(("Encrypt, 1 connection", f"p50 {one.percentile(0.5) * 1e3:.2f} ms", "p50 at most 1.5 ms"))
    figures.append(("  yardstick: constant body", f"p50 {yardstick_one.percentile(0.5) * 1e3:.2f} ms", ""))
    figures.append(("  yardstick: bare append to decisions", f"p50 {bare_append(installed, 'decisions'):.2f} ms", ""))
    return figures


def put_key_policy(installed: Installed, seconds: float) -> list[Figure]:
    client = installed.client()
    key = client.create_key()["KeyMetadata"]["KeyId"]
    policy = client.get_key_policy(KeyId=key)["Policy"]
    body = json.dumps({"KeyId": key, "Policy": policy}).encode()
    request = load.signed(installed.url, installed.credentials, "PutKeyPolicy", body)
    load.run(installed.url, request, 8, 1)
    one = load.run(installed.url, request, 1, seconds)
    many = load.run(installed.url, request, 64, seconds)
    return [
        ("PutKeyPolicy, 1 connection", f"p50 {one.percentile(0.5) * 1e3:.1f} ms", "p50 at most 8 ms"),
        ("  yardstick: bare append, flushed", f"p50 {bare_append(installed, 'events'):.2f} ms", "(a call takes two)"),
        ("PutKeyPolicy, 64 connections", many.summary(), "at least 1,000/s"),
    ]


def projector(installed: Installed, seconds: float) -> list[Figure]:
    """Drop the projections and start the projector on everything that the other runs left."""
    from bench.catching_up import catch_up, copy_yardstick

    records, taken = catch_up(installed)
    return [
        ("projector catching up", f"{records / taken:,.0f} records/s ({records:,} records)", "at least 25,000/s"),
        ("  yardstick: bare COPY of rows as wide", f"{copy_yardstick(installed):,.0f} rows/s", ""),
    ]


def evaluation(installed: Installed, seconds: float) -> list[Figure]:
    from bench.evaluating import measure

    found = measure()
    policies = "5-statement key policy, 3 identity policies, conditions"
    return [
        (f"decisions, {policies}, request normalised, reason", f"{found['whole']:,.0f}/s", "at least 200,000/s"),
        ("  the same, request already normalised", f"{found['normalised']:,.0f}/s", "at least 500,000/s"),
        ("  the root user on the same key policy", f"{found['root']:,.0f}/s", "at least 300,000/s"),
        ("  yardstick: a call of an empty function", f"{found['nothing']:,.0f}/s", ""),
        ("a glob with 50 stars against 4 KB", f"{found['glob'] * 1e6:.1f} us", "under 50 us"),
        ("compile a 32 KB policy", f"{found['compile'] * 1e3:.2f} ms", "under 5 ms"),
    ]


def session(installed: Installed, seconds: float) -> list[Figure]:
    """Encrypt with a role's session and with the root, in alternation, so that both have the same noise."""
    key = installed.client().create_key()["KeyMetadata"]["KeyId"]
    body = encrypt_body(key)
    who = {"root": installed.credentials, "role": _role(installed)}
    requests = {name: load.signed(installed.url, given, "Encrypt", body) for name, given in who.items()}
    rates: dict[str, list[float]] = {name: [] for name in who}
    load.run(installed.url, requests["root"], 64, 2)
    for _ in range(4):
        for name, request in requests.items():
            rates[name].append(load.run(installed.url, request, 64, seconds / 4).rate)
    root, role = (sum(rates[name]) / 4 for name in ("root", "role"))
    return [
        ("Encrypt by a role's session, 64 connections", f"{role:,.0f}/s", ""),
        ("  yardstick: by the root in the same run", f"{root:,.0f}/s", ""),
        ("  share of the yardstick", f"{role / root:.2f}", "at least 0.9"),
    ]


def _role(installed: Installed) -> dict[str, str]:
    """Credentials of a role's session that may Encrypt by delegation, with conditions and a session policy."""
    iam, sts = installed.client("iam"), installed.client("sts")

    def document(*statements: dict[str, object]) -> str:
        return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})

    user = iam.create_user(UserName="bench")["User"]["Arn"]
    access = iam.create_access_key(UserName="bench")["AccessKey"]
    trust = document({"Effect": "Allow", "Principal": {"AWS": user}, "Action": "sts:AssumeRole"})
    role = iam.create_role(RoleName="bench", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    use = document({"Effect": "Allow", "Action": "kms:*", "Resource": "*"})
    iam.put_role_policy(RoleName="bench", PolicyName="use", PolicyDocument=use)
    given = {"AWS_ACCESS_KEY_ID": access["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": access["SecretAccessKey"]}
    sts = installed.client("sts", given)
    found = sts.assume_role(RoleArn=role, RoleSessionName="bench", Policy=use)["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": found["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": found["SecretAccessKey"],
        "AWS_SESSION_TOKEN": found["SessionToken"],
    }


def start(installed: Installed, seconds: float) -> list[Figure]:
    installed.stop()
    began = time.perf_counter()
    installed.start()
    return [("keytrail up, warm, to ready", f"{time.perf_counter() - began:.1f} s", "at most 10 s")]


BENCHMARKS: dict[str, Callable[[Installed, float], Iterable[Figure]]] = {
    "encrypt": encrypt,
    "put_key_policy": put_key_policy,
    "session": session,
    "evaluation": evaluation,
    "diff": lambda installed, seconds: comparing.measure(),
    "projector": projector,
    "start": start,
    "command_line": lambda installed, seconds: command_line.measure(installed),
    "operations": crypto.operations,
    "creation": crypto.creation,
    "beside_rsa": crypto.beside_rsa,
    "signing_in": signing_in.measure,
    "transparency": transparency.measure,
    "past": past.past,
    "trails": trails.measure,
    "alerts": alerting.measure,
    "audit_devices": lambda installed, seconds: audit_devices.measure(seconds),
    "scale": scale.scale,
    "console": console.measure,
    "cluster": clustered.measure,
    "spans": spans.spans,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="which; all where none is named")
    parser.add_argument("--seconds", type=float, default=8.0)
    arguments = parser.parse_args()
    terminal = Console()
    table = Table("what", "figure", "target", box=None, header_style="bold")
    results: list[Figure] = []
    try:
        with tempfile.TemporaryDirectory() as folder, Installed(Path(folder) / "data") as installed:
            for name in arguments.names or BENCHMARKS:
                with terminal.status(f"measuring {name}"):
                    for figure in BENCHMARKS[name](installed, arguments.seconds):
                        results.append(figure)
                        table.add_row(*figure)
    finally:  # what was measured before a fault took minutes, too
        terminal.print(table)
    OUT.mkdir(exist_ok=True)
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "machine": platform.machine()}
    (OUT / "latest.json").write_text(json.dumps({"machine": machine, "figures": results}, indent=1))


if __name__ == "__main__":
    main()
