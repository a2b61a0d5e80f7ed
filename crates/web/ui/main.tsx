// Where the page begins: theme, address, source, and the parts put together.

import { effect } from "@preact/signals";
import { render } from "preact";
import "uplot/dist/uPlot.min.css";
import { HttpSource } from "./data/http";
import { recallTheme } from "./state/actions";
import { follow } from "./state/history";
import { Loader } from "./state/loader";
import { themeChoice, themeName, view } from "./state/store";
import "./style/base.css";
import "./style/header.css";
import "./style/pickers.css";
import "./style/panels.css";
import "./style/inspector.css";
import "./style/rest.css";
import { App } from "./ui/App";
import { onAgain, useSource } from "./ui/context";
import { onKey } from "./ui/keys";

recallTheme();
follow();

const system = matchMedia("(prefers-color-scheme: light)");
const applyTheme = (): void => {
  const choice = view.value.theme ?? themeChoice.value;
  const name = choice === "auto" ? (system.matches ? "light" : "dark") : choice;
  // The attribute first: what listens to the signal reads colours from the style sheet.
  document.documentElement.dataset["theme"] = name;
  themeName.value = name;
};
effect(applyTheme);
system.addEventListener("change", applyTheme);

const root = document.getElementById("app");
if (!root) throw new Error("the page has no #app");
const served = new HttpSource();
useSource(served);
render(<App />, root);
window.addEventListener("keydown", onKey);

const loader = new Loader(served);
onAgain(() => loader.again());
void loader.start();
