/** A key as its page shows it: now as DescribeKey has it, in the past as the log has it. */

import { DescribeKeyCommand } from "@aws-sdk/client-kms";

import { kms } from "../../aws";
import { asked } from "../../router";
import { v1 } from "../../v1/client";

export interface PastGrant {
  id: string;
  name: string;
  grantee: string;
  retiring: string;
  operations: readonly string[];
  constraints: unknown;
  createdAt: string;
}

/** What only an answer about the past brings along. */
export interface Past {
  at: string;
  position: number;
  tags: Readonly<Record<string, string>>;
  aliases: readonly string[];
  grants: readonly PastGrant[];
  rotationDays: number | null;
  nextRotation: string | null;
}

export interface KeyFacts {
  id: string;
  arn: string;
  account: string;
  spec: string;
  usage: string;
  origin: string;
  state: string;
  description: string;
  /** A service manages it for the account. */
  managed: boolean;
  createdAt: Date | string | undefined;
  deletionAt: Date | string | undefined;
  /** When imported material expires. */
  validTo: Date | undefined;
  material: string;
  algorithms: readonly string[];
  past: Past | null;
}

/** What every tab of the page is given. */
export interface TabProps {
  /** What the URL calls the key. */
  name: string;
  /** Null while they are asked for, or if they are refused: a tab may still show what its user may see. */
  facts: KeyFacts | null;
  /** The time or position that is looked at; null: now. */
  at: string | null;
  /** The imported trail that is asked; null: our own log. */
  trail: string | null;
  /** Grows with every change that the page made: part of a tab's question. */
  round: number;
  /** A tab changed the key: what was done, in a sentence. */
  changed: (notice: string) => void;
}

export async function factsNow(name: string, signal: AbortSignal): Promise<KeyFacts> {
  const { KeyMetadata: key } = await (await kms()).send(new DescribeKeyCommand({ KeyId: name }), { abortSignal: signal });
  if (key?.KeyId === undefined) throw new Error("The answer names no key.");
  return {
    id: key.KeyId,
    arn: key.Arn ?? "",
    account: key.AWSAccountId ?? "",
    spec: key.KeySpec ?? "",
    usage: key.KeyUsage ?? "",
    origin: key.Origin ?? "",
    state: key.KeyState ?? "",
    description: key.Description ?? "",
    managed: key.KeyManager === "AWS",
    createdAt: key.CreationDate,
    deletionAt: key.DeletionDate,
    validTo: key.ValidTo,
    material: key.CurrentKeyMaterialId ?? "",
    algorithms: [
      ...(key.EncryptionAlgorithms ?? []),
      ...(key.SigningAlgorithms ?? []),
      ...(key.MacAlgorithms ?? []),
      ...(key.KeyAgreementAlgorithms ?? []),
      ...(key.EncapsulationAlgorithms ?? []),
    ],
    past: null,
  };
}

type Told = Readonly<Record<string, unknown>>;

function text(told: Told, name: string): string {
  const found = told[name];
  return typeof found === "string" ? found : "";
}

export async function factsAt(name: string, at: string, trail: string | null, signal: AbortSignal): Promise<KeyFacts> {
  const answer = await v1().get("/v1/as-of/keys/{reference}", { path: { reference: name }, query: asked(at, trail) }, signal);
  const key: Told = answer.key;
  const days = key["rotation_period_in_days"];
  return {
    id: text(key, "key_id"),
    arn: text(key, "arn"),
    account: text(key, "account"),
    spec: text(key, "spec"),
    usage: text(key, "usage"),
    origin: text(key, "origin"),
    state: text(key, "state"),
    description: text(key, "description"),
    managed: text(key, "manager") !== "",
    createdAt: text(key, "created_at"),
    deletionAt: text(key, "deletion_at"),
    validTo: undefined,
    material: text(key, "current_material"),
    algorithms: [],
    past: {
      at: answer.at,
      position: answer.position,
      tags: (key["tags"] ?? {}) as Record<string, string>,
      aliases: answer.aliases,
      grants: answer.grants.map((each) => ({
        id: text(each, "grant"),
        name: text(each, "name"),
        grantee: text(each, "grantee"),
        retiring: text(each, "retiring"),
        operations: Array.isArray(each["operations"]) ? each["operations"].map(String) : [],
        constraints: each["constraints"],
        createdAt: text(each, "created_at"),
      })),
      rotationDays: typeof days === "number" ? days : null,
      nextRotation: text(key, "next_rotation_at") || null,
    },
  };
}
