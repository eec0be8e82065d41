// re2 is C++ that npm would compile for minutes, so it is installed without; the rules of our pipelines are simple
// enough for JavaScript's own expressions. `node --import` this file.
import { register } from "node:module";

const resolve = `export const resolve = (name, context, next) => name === "re2"
  ? { url: "data:text/javascript,export default RegExp", shortCircuit: true }
  : next(name, context);`;
register(`data:text/javascript,${encodeURIComponent(resolve)}`);
