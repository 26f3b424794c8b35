import "@cloudscape-design/global-styles/index.css";
import "./focus-ring.css";

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "./app";
import { applyTheme } from "./preferences";

applyTheme();

const place = document.getElementById("console");
if (place === null) throw new Error("index.html has the place");
createRoot(place).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
