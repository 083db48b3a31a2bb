// SPDX-License-Identifier: MIT
//
// Runs an ONNX model once with the ONNX Runtime of npm, for tests that need an answer from something that is not sightd:
//     node tests/run_onnx.mjs MODEL.onnx INPUT.f32 1,3,112,112
// INPUT.f32 holds the first input as raw little-endian float32. Prints {"output": {"dims": [...], "data": [...]}, ...}.

import { readFileSync } from "node:fs";
import ort from "onnxruntime-node";

const [model, input, shape] = process.argv.slice(2);
const bytes = readFileSync(input);
const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / Float32Array.BYTES_PER_ELEMENT);
const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 1 });
const feed = { [session.inputNames[0]]: new ort.Tensor("float32", values, shape.split(",").map(Number)) };
const outputs = Object.entries(await session.run(feed));
console.log(JSON.stringify(Object.fromEntries(outputs.map(([name, { dims, data }]) => [name, { dims, data: [...data] }]))));
