/** The time that the pages show: a button in the bar sets it, and a line above every page says so while it is the past. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import DatePicker from "@cloudscape-design/components/date-picker";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import Modal from "@cloudscape-design/components/modal";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Tabs from "@cloudscape-design/components/tabs";
import TimeInput from "@cloudscape-design/components/time-input";
import { useState } from "react";

import { useAsOf } from "../router";
import { Time, zoneWords } from "../shown/time";
import { visible } from "../shown/visible";
import { fieldsOf, isMoment, momentOf } from "./moment";

const HOUR = 3_600_000;
const USUAL: readonly [string, number][] = [
  ["An hour ago", HOUR],
  ["Yesterday", 24 * HOUR],
  ["A week ago", 7 * 24 * HOUR],
];

/** `shows`: whether the page that stands below can show the past. */
export function PastBar({ shows, choose }: { shows: boolean; choose: () => void }) {
  const [at, setAt] = useAsOf();
  if (at === null) return null;
  const valid = isMoment(at);
  return (
    <Box padding={{ bottom: "m" }}>
      <Alert
        type={valid ? "info" : "error"}
        header={
          !valid ? (
            "This is not a time"
          ) : (
            <>
              The past: as of <Moment at={at} />
            </>
          )
        }
        action={
          <SpaceBetween direction="horizontal" size="xs">
            <Button onClick={choose}>Another time</Button>
            <Button onClick={() => setAt(null)}>Back to now</Button>
          </SpaceBetween>
        }
      >
        {!valid
          ? `${visible(at)} is neither a time in RFC 3339 nor a position such as @1234.`
          : shows
            ? "Nothing can be changed here."
            : "This page shows the present only. Go back to now to see it, or choose a page that can show the past: keys, who can, what changed, decisions, alerts, users, groups, roles, policies."}
      </Alert>
    </Box>
  );
}

function Moment({ at }: { at: string }) {
  return at.startsWith("@") ? <>position {visible(at)}</> : <Time at={at} />;
}

export function ChooseMoment({ close }: { close: () => void }) {
  const [at, setAt] = useAsOf();
  const [how, setHow] = useState(at?.startsWith("@") === true ? "position" : "time");
  const shown = at !== null && !at.startsWith("@") && isMoment(at) ? fieldsOf(new Date(at)) : { date: "", clock: "" };
  const [date, setDate] = useState(shown.date);
  const [clock, setClock] = useState(shown.clock);
  const [position, setPosition] = useState(at?.startsWith("@") === true ? at.slice(1) : "");
  const [tried, setTried] = useState(false);
  const chosen = how === "position" ? `@${position.replace(/^@/, "")}` : momentOf(date, clock);
  const valid = chosen !== null && isMoment(chosen);
  const show = () => {
    setTried(true);
    if (!valid) return;
    setAt(chosen);
    close();
  };
  const fault = tried && !valid;
  return (
    <Modal
      visible
      onDismiss={close}
      header="Show the past"
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            {at !== null && (
              <Button
                onClick={() => {
                  setAt(null);
                  close();
                }}
              >
                Back to now
              </Button>
            )}
            <Button variant="primary" onClick={show}>
              Show
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      <Tabs
        activeTabId={how}
        onChange={({ detail }) => {
          setHow(detail.activeTabId);
          setTried(false);
        }}
        tabs={[
          {
            id: "time",
            label: "At a time",
            content: (
              <SpaceBetween size="m">
                <FormField label="Date" {...(fault ? { errorText: "Choose a date, and a time such as 10:04:00." } : {})}>
                  <DatePicker value={date} placeholder="YYYY/MM/DD" onChange={({ detail }) => setDate(detail.value)} />
                </FormField>
                <FormField label="Time" description={`Of your own clock (${zoneWords()}). Midnight where left out.`}>
                  <TimeInput value={clock} placeholder="hh:mm:ss" onChange={({ detail }) => setClock(detail.value)} />
                </FormField>
                <SpaceBetween size="xs" direction="horizontal">
                  {USUAL.map(([words, before]) => (
                    <Button
                      key={words}
                      onClick={() => {
                        const then = fieldsOf(new Date(Date.now() - before));
                        setDate(then.date);
                        setClock(then.clock);
                      }}
                    >
                      {visible(words)}
                    </Button>
                  ))}
                </SpaceBetween>
              </SpaceBetween>
            ),
          },
          {
            id: "position",
            label: "At a position",
            content: (
              <FormField
                label="Position"
                description="The place of a change on the log, as a key's history lists it."
                {...(fault ? { errorText: "A position is a number." } : {})}
              >
                <Input
                  value={position}
                  inputMode="numeric"
                  onChange={({ detail }) => setPosition(detail.value.trim())}
                  onKeyDown={({ detail }) => detail.key === "Enter" && show()}
                />
              </FormField>
            ),
          },
        ]}
      />
    </Modal>
  );
}
