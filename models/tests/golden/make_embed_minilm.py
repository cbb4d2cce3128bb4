"""Makes embed-minilm.json: embeddings of all-MiniLM-L6-v2 by transformers and torch, the reference implementation.

    python3.9 -m venv reference && . reference/bin/activate
    pip install torch==1.12.1 transformers==4.30.2 tokenizers==0.13.3 numpy==1.26.4 safetensors==0.4.5
    python make_embed_minilm.py ../../repository/embed-minilm > embed-minilm.json

Mean pooling over the mask and L2 normalisation, as the model's own card shows them; 256 word pieces, the
`max_seq_length` of its `sentence_bert_config.json`. The sentences were written for this file.
"""

import json
import sys

import torch
from safetensors.torch import load_file
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

LONG = (
    "The ferry left the harbour a little after six, when the fog had thinned enough for the lighthouse to show, and the "
    "passengers who had slept on the benches woke one by one to find the deck wet and the coffee already cold. "
)
SENTENCES = [
    "ok",
    "k",
    "?",
    "hello there",
    "Hello there!",
    "HELLO THERE",
    "See you at the station at half past seven.",
    "I'll meet you at the station at 7:30 pm.",
    "The cat sat on the mat.",
    "A cat is sitting on a rug.",
    "Stock prices fell sharply after the announcement.",
    "She has been learning the cello for eleven years and still practises every morning before work.",
    "hiking, climbing, wild camping, maps",
    "board games, cooking, gardening and long walks with the dog",
    "I like hiking and camping in the mountains.",
    "My favourite hobby is baking sourdough bread.",
    "what r u up 2 tonite lol",
    "Thx!!! u r the best <3 <3",
    "That film was so boring that I nearly fell asleep.",
    "👋",
    "good morning ☀️ have a lovely day 😊😊",
    "🏔️⛺🥾",
    "👨‍👩‍👧‍👦 family picnic on sunday 🧺",
    "今天天气很好,我们去公园散步吧。",
    "明日は友達と映画を見に行きます。",
    "오늘 저녁에 뭐 먹을까?",
    "Wie geht es dir heute, mein Freund?",
    "Où est la bibliothèque la plus proche ?",
    "¿Quieres tomar un café conmigo mañana?",
    "Привет! Как прошёл твой день?",
    "مرحبا، كيف حالك اليوم؟",
    "नमस्ते, आप कैसे हैं?",
    "naïve café résumé Ångström façade",
    "e = mc^2; f(x) = 3x + 4; 1,234,567.89 EUR (approx. 5%)",
    "https://example.com/path?query=1&other=two#part and someone@example.com",
    "fn main() { println!(\"hello\"); }",
    "tabs\tand\nnew lines\r\nand   many   spaces",
    "zero\u200bwidth\u200djoiners and a soft\u00adhyphen",
    "Pneumonoultramicroscopicsilicovolcanoconiosis is a very long word, but antidisestablishmentarianism is better known.",
    "x" * 150 + " is longer than the word-piece limit of one hundred characters",
    LONG,
    LONG * 3,
    # About 300 and about 600 word pieces: both are cut.
    LONG * 6,
    LONG * 12,
]


def main(folder):
    torch.set_num_threads(1)
    model = BertModel(BertConfig.from_json_file(f"{folder}/config.json"))
    weights = load_file(f"{folder}/model.safetensors")
    print(model.load_state_dict(weights, strict=True), file=sys.stderr)
    model.eval()
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=f"{folder}/tokenizer.json", pad_token="[PAD]")
    items = []
    for text in SENTENCES:
        # One by one: no padding, so that a wrong mask in the code under test cannot be in the reference too.
        tokens = tokenizer(text, truncation=True, max_length=256, padding=False, return_tensors="pt")
        with torch.no_grad():
            hidden = model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])[0]
        mask = tokens["attention_mask"].unsqueeze(-1).float()
        pooled = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
        vector = torch.nn.functional.normalize(pooled, p=2, dim=1)[0]
        items.append({"text": text, "tokens": tokens["input_ids"].shape[1], "embedding": [round(x, 6) for x in vector.tolist()]})
    rows = ",\n".join(json.dumps(item, ensure_ascii=False) for item in items)
    print('{"torch": "%s", "items": [\n%s\n]}' % (torch.__version__, rows))


main(sys.argv[1])
