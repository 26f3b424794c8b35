/** One permission as the evaluator looked at it: the answer, and below it every statement and grant that was read. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import TreeView from "@cloudscape-design/components/tree-view";
import { useState } from "react";

import { visible } from "../shown/visible";
import { byWords, conditionWords, type Node, type Permission, treeOf } from "./explanation";

export function Explained({ permission }: { permission: Permission }) {
  const tree = treeOf(permission);
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const allowed = permission.effect === "allow";
  return (
    <Container header={<Header variant="h2" description={visible(permission.resource)}>{visible(permission.action)}</Header>}>
      <SpaceBetween size="s">
        <StatusIndicator type={allowed ? "success" : "error"}>
          {allowed ? "Allowed" : "Denied"}: {byWords(permission.by)}
        </StatusIndicator>
        {permission.delegation !== undefined && <Box color="text-body-secondary">Delegated by {byWords(permission.delegation)}</Box>}
        {permission.near !== undefined && (
          <Alert type="info" header="One statement came close">
            {byWords(permission.near.by)}: {conditionWords(permission.near.condition)}
          </Alert>
        )}
        {tree.length > 0 && (
          <TreeView<Node>
            ariaLabel={`What was looked at for ${visible(permission.action)}`}
            items={tree}
            getItemId={(item) => item.id}
            getItemChildren={(item) => item.children}
            expandedItems={opened(tree).filter((id) => !closed.has(id))}
            onItemToggle={({ detail }) => {
              const next = new Set(closed);
              if (detail.expanded) next.delete(detail.id);
              else next.add(detail.id);
              setClosed(next);
            }}
            renderItem={(item) => ({ content: <Looked item={item} /> })}
          />
        )}
      </SpaceBetween>
    </Container>
  );
}

function Looked({ item }: { item: Node }) {
  if (item.holds === null) return <Box fontWeight="bold">{visible(item.text)}</Box>;
  return (
    <StatusIndicator type={item.holds ? "success" : "stopped"} wrapText>
      {visible(item.text)}
      <Box variant="span" display="inline" color="text-body-secondary">
        {item.holds ? " (holds)" : " (does not hold)"}
      </Box>
    </StatusIndicator>
  );
}

function opened(nodes: readonly Node[]): string[] {
  return nodes.flatMap((each) => (each.children.length === 0 ? [] : [each.id, ...opened(each.children)]));
}
