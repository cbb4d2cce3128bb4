// Makes nsfw-mobilenet.json: class probabilities by nsfwjs itself.
//
//     npm install nsfwjs@4.3.0 @tensorflow/tfjs@4.22.0 buffer@6.0.3 pngjs@7.0.0
//     node make_nsfw_mobilenet.mjs pixels full > nsfw-mobilenet.json
//
// The folders come from make_nsfw_pixels.py. TensorFlow.js computes in plain JavaScript (backend `cpu`).

import fs from "node:fs";

import * as tf from "@tensorflow/tfjs";
import { PNG } from "pngjs";

console.info = console.warn = () => {};
const nsfwjs = await import("nsfwjs");
await tf.setBackend("cpu");
const model = await nsfwjs.load("MobileNetV2");

async function probabilities(path) {
  const { width, height, data } = PNG.sync.read(fs.readFileSync(path));
  // pngjs always gives four channels.
  const rgb = Int32Array.from({ length: width * height * 3 }, (_, i) => data[Math.floor(i / 3) * 4 + (i % 3)]);
  return Array.from(await model.infer(tf.tensor3d(rgb, [height, width, 3], "int32")).data());
}

const [small, full] = process.argv.slice(2);
const lines = [];
for (const file of fs.readdirSync(small).sort()) {
  const photo = file.replace(/\.png$/, "");
  const entry = { photo, pixels: await probabilities(`${small}/${file}`), jpeg: await probabilities(`${full}/${file}`) };
  lines.push(JSON.stringify(entry));
}
process.stdout.write(
  `{"labels": ["drawing", "hentai", "neutral", "porn", "sexy"], "items": [\n${lines.join(",\n")}\n]}\n`,
);
