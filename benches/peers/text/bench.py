"""One text encoder in process, on one thread: tokenise, run, pool, normalise, as its users write it.

usage: bench.py ENGINE MODEL_FOLDER      ENGINE: onnxruntime | openvino | openvino-bf16 | sentence-transformers

Reads one JSON object per line and answers with one:
  {"embed": [text, ...]}                                       -> {"vectors": [[...], ...]}
  {"texts": [text, ...], "batch": 8, "seconds": 2.0}           -> {"rate": texts per CPU-second}
Texts are taken in the order in which they are given, as a server would get them.
"""
import json
import os
import sys
import time

os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np  # noqa: E402  (the threads must be set before)

LONGEST = 256


class Graph:
    """The graph that the service runs too: token ids in, unit vectors out."""

    def __init__(self, folder):
        from tokenizers import Tokenizer

        self.tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
        self.tokenizer.enable_truncation(LONGEST)
        self.tokenizer.enable_padding(pad_id=0)

    def inputs(self, texts):
        encoded = self.tokenizer.encode_batch(texts)
        ids = np.array([text.ids for text in encoded], dtype=np.int64)
        mask = np.array([text.attention_mask for text in encoded], dtype=np.int64)
        return {"input_ids": ids, "attention_mask": mask}


class OnnxRuntime(Graph):
    def __init__(self, folder):
        import onnxruntime

        super().__init__(folder)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        path = os.path.join(folder, "model.onnx")
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def __call__(self, texts):
        return self.session.run(None, self.inputs(texts))[0]


class OpenVino(Graph):
    def __init__(self, folder, precision="f32"):
        import openvino

        super().__init__(folder)
        core = openvino.Core()
        settings = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
        self.request = core.compile_model(os.path.join(folder, "model.onnx"), "CPU", settings).create_infer_request()

    def __call__(self, texts):
        return next(iter(self.request.infer(self.inputs(texts)).values()))


class SentenceTransformers:
    def __init__(self, folder):
        import torch
        from sentence_transformers import SentenceTransformer, models

        torch.set_num_threads(1)
        words = models.Transformer(folder, max_seq_length=LONGEST)
        pool = models.Pooling(words.get_word_embedding_dimension(), pooling_mode="mean")
        self.model = SentenceTransformer(modules=[words, pool, models.Normalize()], device="cpu")

    def __call__(self, texts):
        return self.model.encode(texts, batch_size=len(texts), show_progress_bar=False)


def measure(engine, texts, batch, seconds):
    turn = lambda start: [texts[(start + row) % len(texts)] for row in range(batch)]  # noqa: E731
    engine(turn(0))
    done, begin, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - begin < seconds:
        engine(turn(done))
        done += batch
    return done / (time.process_time() - cpu)


def main():
    name, folder = sys.argv[1:3]
    engines = {
        "onnxruntime": OnnxRuntime,
        "openvino": OpenVino,
        "openvino-bf16": lambda folder: OpenVino(folder, "bf16"),
        "sentence-transformers": SentenceTransformers,
    }
    engine = engines[name](folder)
    print(json.dumps({"ready": name}), flush=True)
    for line in sys.stdin:
        ask = json.loads(line)
        if "embed" in ask:
            vectors = np.concatenate([engine(ask["embed"][at : at + 8]) for at in range(0, len(ask["embed"]), 8)])
            answer = {"vectors": np.asarray(vectors, dtype=np.float32).tolist()}
        else:
            answer = {"rate": measure(engine, ask["texts"], ask["batch"], ask["seconds"])}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
