/** A component whose script is loaded when it is first shown. */

import { type ComponentType, lazy } from "react";

/** A script did not come, which is no bug of what it shows. Only a reload helps: browsers keep such a failure as long as the document
 * lives, and do not ask for the script again. The message is the browser's. */
export class NotLoaded extends Error {
  override readonly name = "NotLoaded";
}

export function onDemand<P extends object>(load: () => Promise<{ default: ComponentType<P> }>): ComponentType<P> {
  return lazy(async () => {
    try {
      return await load();
    } catch (thrown) {
      throw new NotLoaded(thrown instanceof Error ? thrown.message : String(thrown));
    }
  });
}
