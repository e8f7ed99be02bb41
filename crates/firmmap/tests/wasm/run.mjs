// Runs the functions of the WebAssembly test and says what they return. usage: node run.mjs FILE.wasm
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";

const { instance } = await WebAssembly.instantiate(await readFile(process.argv[2]), {});
const { constructors_that_work, page_size } = instance.exports;
assert.equal(constructors_that_work(), 0);
assert.equal(page_size(), 65536);
console.log("wasm32-unknown-unknown: every constructor returns Unsupported");
