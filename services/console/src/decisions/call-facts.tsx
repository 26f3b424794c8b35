/** What is on record of a call, as pairs of a label and a value. What it does not have is left out. */

import Link from "@cloudscape-design/components/link";
import type { ReactNode } from "react";

import { follow, href } from "../router";
import { keyName } from "../shown/names";
import { Time } from "../shown/time";
import { visible } from "../shown/visible";
import type { ItemOf } from "../v1/client";
import { Effect } from "./effect";

type Call = ItemOf<"/v1/decisions">;

export function callFacts(call: Call): { label: string; value: ReactNode }[] {
  const pairs = Object.entries(call.encryption_context ?? {}).map(([name, value]) => `${name}=${String(value)}`);
  const key =
    call.key_id === null ? null : (
      <Link href={href("/keys/{key}", { key: call.key_id })} onFollow={follow}>
        {keyName(call)}
      </Link>
    );
  const rows: [string, ReactNode][] = [
    ["Answer", <Effect key="effect" effect={call.effect} />],
    ["Told the caller", call.message === null ? null : visible(call.message)],
    ["Time", <Time key="time" at={call.at} />],
    ["Principal", visible(call.principal)],
    ["Key", key],
    ["Access key", visible(call.access_key)],
    ["Source address", visible(call.source)],
    ["User agent", visible(call.agent)],
    ["Through", call.via === null ? null : visible(call.via)],
    ["Encryption context", pairs.length === 0 ? null : visible(pairs.join(", "))],
    ["Position", call.position === null ? null : `@${call.position}`],
    ["Decided on the state of", call.seen === null ? null : `@${call.seen}`],
    ["Call", visible(call.call_id)],
  ];
  return rows.filter(([, value]) => value !== null && value !== "").map(([label, value]) => ({ label, value }));
}
