// Makes nsfw-mobilenet.json and nsfw-inception.json: class probabilities by nsfwjs itself.
//
//     npm install nsfwjs@4.3.0 @tensorflow/tfjs@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0 buffer@6.0.3 pngjs@7.0.0
//     node make_nsfw.mjs cpu MobileNetV2 pixels full > nsfw-mobilenet.json
//     node make_nsfw.mjs wasm InceptionV3 pixels full > nsfw-inception.json
//
// The folders come from make_nsfw_pixels.py. First argument: TensorFlow.js' backend; plain JavaScript (`cpu`) takes minutes for a picture of
// the large model.

import fs from "node:fs";

import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { PNG } from "pngjs";

console.info = console.warn = () => {};
const nsfwjs = await import("nsfwjs");
const [backend, name, small, full] = process.argv.slice(2);
await tf.setBackend(backend);
await tf.ready();
const model = await nsfwjs.load(name, name === "InceptionV3" ? { size: 299 } : undefined);

async function probabilities(path) {
  const { width, height, data } = PNG.sync.read(fs.readFileSync(path));
  // pngjs always gives four channels.
  const rgb = Int32Array.from({ length: width * height * 3 }, (_, i) => data[Math.floor(i / 3) * 4 + (i % 3)]);
  return Array.from(await model.infer(tf.tensor3d(rgb, [height, width, 3], "int32")).data());
}

const lines = [];
for (const file of fs.readdirSync(small).sort()) {
  const photo = file.replace(/\.png$/, "");
  const entry = { photo, pixels: await probabilities(`${small}/${file}`), jpeg: await probabilities(`${full}/${file}`) };
  lines.push(JSON.stringify(entry));
}
process.stdout.write(
  `{"labels": ["drawing", "hentai", "neutral", "porn", "sexy"], "items": [\n${lines.join(",\n")}\n]}\n`,
);
process.exit(0);
