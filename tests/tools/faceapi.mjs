// SPDX-License-Identifier: MIT
//
// The face-api networks by face-api.js itself over TensorFlow.js, for make_goldens.py:
//   node faceapi.mjs NODE_MODULES CROPS COUNT
// CROPS holds COUNT crops of 112x112 RGB bytes. NODE_MODULES has @vladmandic/face-api, @tensorflow/tfjs and
// @tensorflow/tfjs-backend-wasm. Prints a JSON list of {expression: [7], gender: "male"|"female", probability, age}.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [modules, file, count] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const faceapi = require(`${modules}/@vladmandic/face-api/dist/face-api.node-wasm.js`);
await faceapi.tf.setBackend("cpu");
await faceapi.tf.ready();
const { faceExpressionNet, ageGenderNet } = faceapi.nets;
for (const net of [faceExpressionNet, ageGenderNet]) await net.loadFromDisk(`${modules}/@vladmandic/face-api/model`);

const bytes = readFileSync(file);
const size = 112 * 112 * 3;
const answers = [];
for (let i = 0; i < Number(count); i++) {
    const crop = faceapi.tf.tensor(Float32Array.from(bytes.subarray(i * size, (i + 1) * size)), [1, 112, 112, 3]);
    const said = await faceExpressionNet.predictExpressions(crop);
    const { age, gender, genderProbability: probability } = await ageGenderNet.predictAgeAndGender(crop);
    answers.push({ expression: Object.values(said), labels: Object.keys(said), gender, probability, age });
}
console.log(JSON.stringify(answers));
