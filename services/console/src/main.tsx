import "@cloudscape-design/global-styles/index.css";
import "./focus-ring.css";

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "./app";
import { applyTheme } from "./preferences";
import { NotLoaded } from "./shown/on-demand";

applyTheme();

const place = document.getElementById("console");
if (place === null) throw new Error("index.html has the place");
createRoot(place, {
  onCaughtError: (thrown) => {
    if (!(thrown instanceof NotLoaded)) console.error(thrown); // the page says what was not loaded, and the browser that it was not
  },
}).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
