/** A fault of one page ends that page alone: the bar and the navigation stay. A script that did not come is no fault of the page. */

import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import { Component, type ReactNode } from "react";

import { NotLoaded } from "../shown/on-demand";
import { visible } from "../shown/visible";

interface State {
  fault: Error | null;
}

export class CrashFence extends Component<{ children: ReactNode }, State> {
  override state: State = { fault: null };

  static getDerivedStateFromError(thrown: unknown): State {
    return { fault: thrown instanceof Error ? thrown : new Error(String(thrown)) };
  }

  override render() {
    const { fault } = this.state;
    if (fault === null) return this.props.children;
    if (fault instanceof NotLoaded) return <NotThere />;
    return (
      <Alert type="error" header="This page failed">
        {visible(fault.message)} Reload it; if it happens again, it is a bug of the console.
      </Alert>
    );
  }
}

function NotThere() {
  return (
    <Alert
      type="warning"
      header="A part of the console could not be loaded"
      action={<Button onClick={() => location.reload()}>Reload the page</Button>}
    >
      The network was down, or the console was built anew since this tab was opened. Drafts of policies are kept. Unless this tab keeps you
      signed in, you sign in again, and are back on this page.
    </Alert>
  );
}
