/** What the account asks of its users' passwords. */

import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import { useState } from "react";

import { askedRules } from "../passwords/asked-rules";
import { EditPolicy } from "../passwords/policy-form";
import { RuleWords } from "../passwords/rule-words";
import type { Rules } from "../passwords/rules";
import { useAct } from "../shown/act";
import { useAnswer } from "../shown/answer";
import { Problem } from "../shown/problem";

export default function PasswordPolicyPage() {
  const [answer, again] = useAnswer("password policy", askedRules);
  const [editing, edit] = useState<{ rules: Rules } | null>(null);
  const opening = useAct();
  const found = answer.value;
  return (
    <SpaceBetween size="l">
      <Header
        variant="h1"
        description="What this account asks of its users’ passwords."
        actions={
          <Button disabled={found === null} onClick={() => opening.run(() => askedRules(new AbortController().signal), edit)}>
            Edit
          </Button>
        }
      >
        Password policy
      </Header>
      {answer.state === "fault" && <Problem fault={answer.fault} again={again} />}
      {found === null && answer.state === "loading" && <Spinner size="large" />}
      {found !== null && (
        <Container header={<Header variant="h2">{found.rules === null ? "IAM’s default" : "The account’s own"}</Header>}>
          <RuleWords rules={found.rules} />
        </Container>
      )}
      {opening.fault !== null && <Problem fault={opening.fault} />}
      {editing !== null && (
        <EditPolicy
          rules={editing.rules}
          close={() => edit(null)}
          done={() => {
            edit(null);
            again();
          }}
        />
      )}
    </SpaceBetween>
  );
}
