"""Models of the package transformers at small random sizes; `make test` does not run this.

In an environment with `tests/models/requirements.lock`:
python -m pytest --confcutdir tests/models tests/models

The dimensions are those of the linear part in closed form: GPT-2 L(2d + h(d_k² + d_v²)), untied
with d and those of O(d − 1) more; Llama as in `test_modules_families.py`. Gemma's gains 1 + w
stay where they are, which leaves its stream without rotations: a smaller group, never a wrong one.
"""

import pytest
import torch
from torch import nn

import mc_lib as mc

transformers = pytest.importorskip("transformers")

K = dict(
    **{"vocab_size": 11, "hidden_size": 8, "intermediate_size": 5, "num_hidden_layers": 2},
    **{"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 4, "pad_token_id": 0},
    **{"max_position_embeddings": 16, "bos_token_id": 1, "eos_token_id": 2},
)
GPT2 = {"vocab_size": 11, "n_positions": 7, "n_embd": 6, "n_layer": 2, "n_head": 2}
GPT2 |= {"bos_token_id": 1, "eos_token_id": 2}
BERT = dict(
    **{"vocab_size": 11, "hidden_size": 6, "num_hidden_layers": 2, "num_attention_heads": 2},
    **{"intermediate_size": 5, "max_position_embeddings": 7},
)
VIT = dict(
    **{"hidden_size": 6, "num_hidden_layers": 2, "num_attention_heads": 2, "num_labels": 3},
    **{"intermediate_size": 24, "image_size": 8, "patch_size": 4},
)
MODELS = {
    "GPT-2 tied": ("GPT2Config", "GPT2LMHeadModel", GPT2, 96),
    "GPT-2": ("GPT2Config", "GPT2LMHeadModel", GPT2 | {"tie_word_embeddings": False}, 112),
    "Llama": ("LlamaConfig", "LlamaForCausalLM", K | {"tie_word_embeddings": False}, 158),
    "Llama tied": ("LlamaConfig", "LlamaForCausalLM", K | {"tie_word_embeddings": True}, 122),
    "Mistral": ("MistralConfig", "MistralForCausalLM", K | {"tie_word_embeddings": False}, 158),
    "Qwen3": ("Qwen3Config", "Qwen3ForCausalLM", K | {"tie_word_embeddings": False}, 146),
    "BERT tied": ("BertConfig", "BertForMaskedLM", BERT, 78),
    "ViT": ("ViTConfig", "ViTForImageClassification", VIT, 112),
    "Gemma": ("GemmaConfig", "GemmaForCausalLM", K, 90),
}


class Logits(nn.Module):
    """A model that returns its logits alone."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        options = {} if x.is_floating_point() else {"use_cache": False}
        return self.model(x, **options).logits


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("label", MODELS)
def test_found_is_the_formula_and_holds(label):
    config, kind, sizes, dimension = MODELS[label]
    r = torch.Generator().manual_seed(0)
    model = Logits(getattr(transformers, kind)(getattr(transformers, config)(**sizes))).double()
    with torch.no_grad():
        for name, x in model.named_parameters():
            gain = x.ndim == 1 and "bias" not in name
            x.copy_(gain + 0.5 * torch.randn(x.shape, generator=r, dtype=torch.float64))
    images = torch.randn(2, 3, 8, 8, generator=r, dtype=torch.float64)
    x = images if label == "ViT" else torch.randint(3, 11, (2, 5), generator=r)
    found = mc.find_symmetry(model, (x,))
    assert found.unknown == () and found.dimension == dimension
    checked = mc.verify(found, model, (x,))
    assert checked.worst < 1e-10 and checked.control > 1e-6, checked
