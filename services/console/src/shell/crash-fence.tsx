/** A fault of one page ends that page alone: the bar and the navigation stay. */

import Alert from "@cloudscape-design/components/alert";
import { Component, type ReactNode } from "react";

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
    return (
      <Alert type="error" header="This page failed">
        {visible(fault.message)} Reload it; if it happens again, it is a bug of the console.
      </Alert>
    );
  }
}
