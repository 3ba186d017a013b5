"""Hugging Face's Trainer on a tiny BERT: one callback measures it.

The model is made from a config and the tokenizer in this script: nothing is downloaded. Sentences say
how things compare; the label is whether that is true.
"""

import random

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DataCollatorWithPadding,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
    set_seed,
)

import repdyn
from repdyn.integrations.transformers import RepdynCallback

set_seed(0)
NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
vocabulary = {word: i for i, word in enumerate([*SPECIAL, *NUMBERS, "is", "not", "more", "than"])}
plain = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
plain.pre_tokenizer = pre_tokenizers.Whitespace()
plain.post_processor = processors.TemplateProcessing(
    single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
)
tokenizer = PreTrainedTokenizerFast(
    tokenizer_object=plain, pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
)


def sentences(n: int, seed: int) -> list[dict[str, list[int] | int]]:
    rng = random.Random(seed)
    found = []
    for _ in range(n):
        a, b = rng.randrange(9), rng.randrange(9)
        negated = rng.random() < 0.5
        words = [NUMBERS[a], "is", *(["not"] if negated else []), "more", "than", NUMBERS[b]]
        found.append({**tokenizer(" ".join(words)), "labels": int((a > b) != negated)})
    return found


def accuracy(prediction) -> dict[str, float]:
    return {"accuracy": float(np.mean(prediction.predictions.argmax(1) == prediction.label_ids))}


train, test = sentences(1200, 0), sentences(400, 1)
collate = DataCollatorWithPadding(tokenizer)
inputs = repdyn.Inputs.from_datasets(train, test, n=300, collate_fn=collate)

model = BertForSequenceClassification(
    BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=16,
    )
)
settings = repdyn.MeasureSettings(similarity=("cka", "knn"))
trainer = Trainer(
    model,
    TrainingArguments(
        output_dir="bert",
        num_train_epochs=10,
        per_device_train_batch_size=32,
        learning_rate=1e-3,
        eval_strategy="epoch",
        logging_steps=10,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        disable_tqdm=True,
    ),
    train_dataset=train,
    eval_dataset=test,
    data_collator=collate,
    compute_metrics=accuracy,
    callbacks=[RepdynCallback(inputs, checkpoints=15, settings=settings, run_name="tiny BERT")],
)
trainer.train()
print("look at it with: repdyn tui")
