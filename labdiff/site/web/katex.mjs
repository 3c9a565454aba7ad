// Formulas as HTML: reads [[latex, display], ...] as JSON, writes [html, ...]. The folder of node_modules is the argument.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const { default: katex } = await import(pathToFileURL(`${process.argv[2]}/katex/dist/katex.mjs`));
const formulas = JSON.parse(readFileSync(0, "utf-8"));
const html = formulas.map(([latex, displayMode]) => katex.renderToString(latex, { displayMode, throwOnError: false, strict: "ignore" }));
process.stdout.write(JSON.stringify(html));
