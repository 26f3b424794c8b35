/** The form that switches to a role. A link can fill it in, but only a click switches: anybody may have sent the link. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import CopyToClipboard from "@cloudscape-design/components/copy-to-clipboard";
import Form from "@cloudscape-design/components/form";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { BASE, href, navigate, type PageProps, within } from "../router";
import { HOME } from "../routes";
import { RefusedRole } from "../session/refused-role";
import { COLOURS, fromQuery, HOUR, isAccount, isRoleName, LENGTHS, LONGEST_NAME, ofArn, queryOf, type Role } from "../session/role";
import { useSigned } from "../session/session";
import { assume } from "../session/switching";
import { useAct } from "../shown/act";

/** Where the form was opened; a link from elsewhere leads to the first page. */
function cameFrom(query: URLSearchParams): string {
  const from = query.get("from") ?? "";
  return (from.startsWith("/switch-role") ? null : within(from)) ?? href(HOME);
}

export default function SwitchRole({ query }: PageProps) {
  const { first } = useSigned();
  const [role, setRole] = useState<Role>(() => {
    const asked = fromQuery(query);
    return asked.account === "" && asked.role === "" ? { ...asked, account: first?.identity.account ?? "" } : asked;
  });
  const [missing, setMissing] = useState(false);
  const act = useAct();
  const complete = isAccount(role.account) && isRoleName(role.role);
  const change = (to: Partial<Role>) => setRole((before) => ({ ...before, ...to }));
  const typed = (text: string, member: "account" | "role") => change(ofArn(text) ?? { [member]: text.trim() });
  const link = `${location.origin}${BASE}/switch-role?${new URLSearchParams(queryOf(role)).toString()}`;

  function submit() {
    setMissing(!complete);
    if (!complete) return;
    // The page of the former session ends with the switch, and `done` with it.
    act.run(async () => {
      await assume(role);
      navigate(cameFrom(query));
    });
  }

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <Form
        header={
          <Header variant="h1" description="Work with a role's permissions instead of your own, until you switch back or the session ends.">
            Switch role
          </Header>
        }
        actions={
          <Button variant="primary" formAction="submit" loading={act.busy} disabled={first?.identity.root === true}>
            Switch role
          </Button>
        }
      >
        <SpaceBetween size="m">
          {first?.identity.root === true && (
            <Alert type="warning">You are signed in as the root user, who cannot assume a role. Sign in as a user to switch.</Alert>
          )}
          <Container>
            <SpaceBetween size="m">
              <FormField label="Account" errorText={missing && !isAccount(role.account) ? "Type the twelve digits of the role's account." : null}>
                <Input value={role.account} inputMode="numeric" onChange={({ detail }) => typed(detail.value, "account")} />
              </FormField>
              <FormField
                label="Role"
                description="Its name, after its path if it has one. The role's ARN fills in both fields."
                errorText={missing && !isRoleName(role.role) ? "Type the role's name: letters, digits and +=,.@_-" : null}
              >
                <Input value={role.role} spellcheck={false} onChange={({ detail }) => typed(detail.value, "role")} />
              </FormField>
              <FormField label="Display name (optional)" description="What the bar shows instead of the role's name.">
                <Input value={role.name} onChange={({ detail }) => change({ name: detail.value.slice(0, LONGEST_NAME) })} />
              </FormField>
              <FormField label="Colour (optional)">
                <Select
                  selectedOption={{ value: role.colour, label: role.colour }}
                  options={COLOURS.map((each) => ({ value: each, label: each }))}
                  onChange={({ detail }) => change({ colour: COLOURS.find((each) => each === detail.selectedOption.value) ?? "none" })}
                />
              </FormField>
              <FormField
                label="Length of the session"
                description="At most what the role allows (one hour, unless it was changed), and never beyond your own session."
              >
                <Select
                  selectedOption={{ value: String(role.seconds), label: lengthWords(role.seconds) }}
                  options={LENGTHS.map((each) => ({ value: String(each), label: lengthWords(each) }))}
                  onChange={({ detail }) => change({ seconds: Number(detail.selectedOption.value) })}
                />
              </FormField>
              {complete && (
                <FormField label="Link" description="Opens this form as it is filled in, for whoever signs in there.">
                  <CopyToClipboard
                    variant="inline"
                    textToCopy={link}
                    copyButtonAriaLabel="Copy the link"
                    copySuccessText="Copied"
                    copyErrorText="The browser did not copy it"
                  />
                </FormField>
              )}
            </SpaceBetween>
          </Container>
          {act.fault !== null && <RefusedRole fault={act.fault} />}
          <Box color="text-body-secondary" fontSize="body-s">
            Your own policies do not apply while you work as a role. A trust policy that wants multi-factor authentication refuses you
            if you signed in without a code of an MFA device.
          </Box>
        </SpaceBetween>
      </Form>
    </form>
  );
}

function lengthWords(seconds: number): string {
  if (seconds < HOUR) return `${seconds / 60} minutes`;
  return seconds === HOUR ? "1 hour" : `${seconds / HOUR} hours`;
}
