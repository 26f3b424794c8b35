/** The picture of who can: three columns (principals, policies and grants, the key) and the lines between them, as numbers. */

import type { Holder, Way } from "./ways";

export interface Node {
  id: string;
  column: 0 | 1 | 2;
  /** The middle of the node, in rows from the top. */
  row: number;
  label: string;
  sure: boolean;
}

export interface Edge {
  from: Node;
  to: Node;
  sure: boolean;
}

export interface Drawing {
  nodes: Node[];
  edges: Edge[];
  rows: number;
}

/** `named` gives the label of a way. Ways of one statement or grant are one node, and a principal has one line to each. */
export function drawn(holders: readonly Holder[], named: (way: Way) => string, who: (holder: Holder) => string, key: string): Drawing {
  const through = new Map<string, { label: string; sure: boolean; from: number[] }>();
  const principals = holders.map((holder, row) => ({
    node: { id: `principal ${holder.principal}`, column: 0 as const, row, label: who(holder), sure: holder.for_sure },
    holder,
  }));
  for (const { holder, node } of principals) {
    for (const way of holder.paths) {
      const label = named(way);
      const found = through.get(label) ?? { label, sure: false, from: [] };
      found.from.push(node.row);
      found.sure ||= way.open.length === 0 && holder.unless.length === 0;
      through.set(label, found);
    }
  }
  const middles = [...through.values()].sort((one, other) => mean(one.from) - mean(other.from));
  const rows = Math.max(principals.length, middles.length, 1);
  const policies = new Map(
    middles.map(({ label, sure }, row) => [
      label,
      { id: `way ${label}`, column: 1 as const, row: row + (rows - middles.length) / 2, label, sure },
    ]),
  );
  const shift = (rows - principals.length) / 2;
  const target: Node = { id: "key", column: 2, row: (rows - 1) / 2, label: key, sure: true };
  const edges: Edge[] = [];
  const nodes: Node[] = [target];
  for (const { node, holder } of principals) {
    const from = { ...node, row: node.row + shift };
    nodes.push(from);
    const drawnTo = new Map<string, boolean>();
    for (const way of holder.paths) {
      const label = named(way);
      drawnTo.set(label, (drawnTo.get(label) ?? false) || (way.open.length === 0 && holder.unless.length === 0));
    }
    for (const [label, sure] of drawnTo) {
      const to = policies.get(label);
      if (to !== undefined) edges.push({ from, to, sure });
    }
  }
  for (const each of policies.values()) {
    nodes.push(each);
    edges.push({ from: each, to: target, sure: each.sure });
  }
  return { nodes, edges, rows };
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0) / Math.max(1, numbers.length);
}
