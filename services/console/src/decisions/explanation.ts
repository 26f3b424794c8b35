/** What /v1 says about one permission that was asked: the tree behind an answer. The names are those of
 * domain/authorization/explain.py; the words are those of `keytrail explain`. */

import { policyName, principalName } from "../shown/names";
import { visible } from "../shown/visible";

export interface Condition {
  operator: string;
  key: string;
  wanted: string[];
  found: string[];
}

export interface Check extends Partial<Condition> {
  element: string;
  holds: boolean;
}

export interface DecidedBy {
  kind: string;
  rule?: string;
  grant?: string;
  policy?: string;
  version?: number | string;
  sid?: string | null;
  index?: number;
  via?: string;
}

export interface Statement {
  by: DecidedBy;
  effect: string;
  matched: boolean;
  checks: Check[];
}

export interface GrantLook {
  grant: string;
  grantee: string;
  for_caller: boolean;
  operation: boolean;
  constraints: boolean;
}

export interface Permission {
  action: string;
  resource: string;
  effect: string;
  by: DecidedBy;
  delegation?: DecidedBy;
  near?: { by: DecidedBy; condition: Condition };
  layers?: { layer: string; statements: Statement[] }[];
  grants?: GrantLook[];
}

const RULES: Readonly<Record<string, string>> = {
  "no-resource-policy-allows": "no statement of the key's policy and no grant allows it",
  "no-identity-policy-allows": "no identity policy allows it",
  "no-boundary-allows": "the permissions boundary does not allow it",
  "no-session-policy-allows": "the session's policy does not allow it",
  "account-root": "the account's root may do everything in its own account",
  "no-permission-needed": "it asks no permission",
  "retiring-principal": "the grant names the caller as who may retire it",
  due: "it fell due: nobody called",
  "service-managed": "a service made the key that it manages for the account",
  "not-across-accounts": "the operation cannot be called on another account's key",
  authentication: "the credential could not be used any more",
};

export function byWords(by: DecidedBy): string {
  if (by.rule !== undefined) return RULES[by.rule] ?? visible(by.rule);
  if (by.grant !== undefined) return `grant ${visible(by.grant)}`;
  if (by.policy === undefined) return `${visible(by.kind)} of the other account`;
  const sid = by.sid === null || by.sid === undefined || by.sid === "" ? `statement ${by.index ?? 0}` : `“${visible(by.sid)}”`;
  const version = by.version === undefined ? "" : `, version ${by.version}`;
  const via = by.via === undefined || by.via === "" ? "" : ` via ${principalName(by.via)}`;
  return `${sid} of ${policyName(by.policy)}${version}${via}`;
}

export function conditionWords(condition: Condition): string {
  const found = condition.found.map((each) => visible(each)).join(", ") || "nothing";
  const wanted = condition.wanted.map((each) => visible(each)).join(", ");
  return `${visible(condition.operator)} ${visible(condition.key)} wants ${wanted}; there is ${found}`;
}

export interface Node {
  id: string;
  text: string;
  /** Whether it held; null: a heading. */
  holds: boolean | null;
  children: Node[];
}

/** The permission as a tree: layers, their statements, and the checks of each. */
export function treeOf(permission: Permission): Node[] {
  const layers = (permission.layers ?? []).map(({ layer, statements }, at): Node => {
    const children = statements.map((statement, index): Node => {
      const checks = statement.checks.map((check, place): Node => {
        const { operator, key, wanted, found } = check;
        const words = operator === undefined || key === undefined ? "" : `: ${conditionWords({ operator, key, wanted: wanted ?? [], found: found ?? [] })}`;
        return node(`${at}.${index}.${place}`, `${check.element}${words}`, check.holds);
      });
      return node(`${at}.${index}`, `${statement.effect}, ${byWords(statement.by)}`, statement.matched, checks);
    });
    return node(String(at), layer.replaceAll("-", " "), null, children.length > 0 ? children : [node(`${at}.none`, "no statements", null)]);
  });
  const grants = (permission.grants ?? []).map((grant, at): Node =>
    node(`grant ${at}`, `grant ${visible(grant.grant)} to ${principalName(grant.grantee)}`, null, [
      node(`grant ${at}.caller`, "is for the caller", grant.for_caller),
      node(`grant ${at}.operation`, "has the operation", grant.operation),
      node(`grant ${at}.constraints`, "its constraints hold", grant.constraints),
    ]),
  );
  return [...layers, ...grants];
}

function node(id: string, text: string, holds: boolean | null, children: Node[] = []): Node {
  return { id, text, holds, children };
}
