import Button from "@cloudscape-design/components/button";
import Link from "@cloudscape-design/components/link";

import { AlertStateShown, SeverityBadge } from "../../alerts/severity";
import { follow, href } from "../../router";
import { after } from "../../shown/cursor";
import { Listing } from "../../shown/listing";
import { upTo } from "../../shown/span";
import { summaryWords } from "../../shown/summary";
import { Time } from "../../shown/time";
import { visible } from "../../shown/visible";
import { type ItemOf, v1 } from "../../v1/client";
import type { TabProps } from "./facts";
import { FEW } from "./records";

export function AlertsTab({ name, facts, at, round }: TabProps) {
  return (
    <Listing<ItemOf<"/v1/alerts">>
      title="Alerts"
      description="What the alert rules found on this key, the newest first."
      question={`alerts ${name} ${at ?? ""}`}
      round={round}
      load={(cursor, signal) =>
        v1().get("/v1/alerts", { query: { key: name, limit: FEW, ...upTo(at), ...after(cursor) } }, signal)
      }
      columns={[
        {
          id: "at",
          header: "Time",
          minWidth: 150,
          cell: (alert) => (
            <Link href={href("/alerts/{alert}", { alert: alert.id })} onFollow={follow}>
              <Time at={alert.at} />
            </Link>
          ),
        },
        {
          id: "severity",
          header: "Severity",
          cell: (alert) => <SeverityBadge severity={alert.severity} />,
        },
        { id: "title", header: "Alert", isRowHeader: true, minWidth: 180, cell: (alert) => visible(alert.title) },
        { id: "summary", header: "What happened", minWidth: 220, cell: (alert) => visible(summaryWords(alert.summary)) },
        { id: "state", header: "State", minWidth: 175, cell: (alert) => <AlertStateShown state={alert.state} /> },
      ]}
      keyOf={(alert) => alert.id}
      empty="No alert was raised on this key."
      actions={
        <Button href={href("/alerts", {}, { key: facts?.id ?? name })} onFollow={follow}>
          All alerts
        </Button>
      }
    />
  );
}
