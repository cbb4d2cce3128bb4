// nsfwjs as shipped, on one thread of the wasm backend: JPEG bytes in, five probabilities out.
// Prints one JSON line: images per CPU-second, decode and resize included, and without decode.
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";
import jpeg from "jpeg-js";

const require = createRequire(import.meta.url);
const tf = require("@tensorflow/tfjs");
const wasm = require("@tensorflow/tfjs-backend-wasm");
const nsfwjs = require("nsfwjs");

const [folder, secondsText = "5"] = process.argv.slice(2);
const seconds = Number(secondsText);
tf.enableProdMode();
wasm.setWasmPaths(path.join(path.dirname(require.resolve("@tensorflow/tfjs-backend-wasm/package.json")), "dist/"));
wasm.setThreadsCount(1);
await tf.setBackend("wasm");
await tf.ready();
const model = await nsfwjs.load("MobileNetV2");
const files = fs.readdirSync(folder).filter((name) => name.endsWith(".jpg")).sort();
const frames = files.map((name) => fs.readFileSync(path.join(folder, name)));

const decode = (bytes) => {
  const { width, height, data } = jpeg.decode(bytes, { useTArray: true, formatAsRGBA: false });
  return tf.tensor3d(data, [height, width, 3], "int32");
};

async function time(prepare, frames) {
  for (const frame of frames.slice(0, 3)) {
    const pixels = prepare(frame);
    await model.classify(pixels);
    if (pixels !== frame) pixels.dispose();
  }
  const cpu = process.cpuUsage();
  const start = performance.now();
  let images = 0;
  while (performance.now() - start < seconds * 1000) {
    const frame = frames[images % frames.length];
    const pixels = prepare(frame);
    await model.classify(pixels);
    if (pixels !== frame) pixels.dispose();
    images += 1;
  }
  const used = process.cpuUsage(cpu);
  return images / ((used.user + used.system) / 1e6);
}

const fromJpeg = await time(decode, frames);
const decoded = frames.map(decode);
const fromPixels = await time((pixels) => pixels, decoded);
console.log(JSON.stringify({ backend: tf.getBackend(), from_jpeg: fromJpeg, from_pixels: fromPixels }));
