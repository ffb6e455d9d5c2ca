"""trex_peer.py: Trex (arXiv 2012.08680) in PyTorch without padding, by the names of bb's tensors.

Values are read by nn.LSTM over one-hot bytes, each distinct value of a batch once; the layers are
transformers' BertLayer; the rest is nn_peer.py's.
"""
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from transformers.models.bert.modeling_bert import BertLayer, BertOnlyMLMHead, BertPredictionHeadTransform

import nn_peer

SYMBOLS, ALPHA = 258, 0.125  # bytes, no value, a hidden one; weight of the value loss


class Embeddings(nn.Module):
    def __init__(self, c, architectures, operands):
        super().__init__()
        self.word_embeddings = nn.Embedding(c.vocab_size, c.hidden_size)
        self.position_embeddings = nn.Embedding(c.max_position_embeddings, c.hidden_size)
        self.architecture_embeddings = nn.Embedding(architectures, c.hidden_size)
        self.operand_embeddings = nn.Embedding(operands, c.hidden_size)
        self.LayerNorm = nn.LayerNorm(c.hidden_size, eps=c.layer_norm_eps)
        self.value = nn.LSTM(SYMBOLS, c.hidden_size // 2, bidirectional=True)
        for way in ("", "_reverse"):  # it has two biases that do the same
            bias = getattr(self.value, "bias_ih_l0" + way)
            nn.init.zeros_(bias)
            bias.requires_grad_(False)

    def forward(self, b):
        _, (last, _) = self.value(F.one_hot(b.t["bytes"].T, SYMBOLS).float())  # [2,V,h/2]
        values = torch.cat([last[0], last[1]], dim=-1)
        return self.LayerNorm(self.word_embeddings(b.t["ids"]) + self.position_embeddings(b.t["pos"]) +
                              self.architecture_embeddings(b.t["types"]) + self.operand_embeddings(b.t["op"]) +
                              F.embedding(b.t["value"], values))


class Trex(nn.Module):
    """c: a BertConfig; head: "pretraining" or "projection"."""

    def __init__(self, c, architectures, operands, head):
        super().__init__()
        self.config = c
        self.trex = nn.Module()
        self.trex.embeddings = Embeddings(c, architectures, operands)
        self.trex.encoder = nn.Module()
        self.trex.encoder.layer = nn.ModuleList(BertLayer(c) for _ in range(c.num_hidden_layers))
        h = c.hidden_size
        if head == "pretraining":
            self.cls = BertOnlyMLMHead(c)
            self.cls.predictions.decoder.weight = self.trex.embeddings.word_embeddings.weight
            self.cls.predictions.decoder.bias = self.cls.predictions.bias
            self.cls.values = nn.Module()
            self.cls.values.transform = BertPredictionHeadTransform(c)
            self.cls.values.decoder = nn.ModuleList(nn.Linear(h, 256) for _ in range(8))
        else:
            self.projection = nn.Sequential(nn.Linear(h, h), nn.Tanh(), nn.Linear(h, h))

    def hidden(self, b, attend=None):
        """All hidden states, [T,h] each; attend as in nn_peer."""
        x = [self.trex.embeddings(b)]
        for layer in self.trex.encoder.layer:
            x.append(nn_peer.one_layer(layer, x[-1], b, self.config.num_attention_heads, attend))
        return x

    def losses(self, b, padded=False, attend=None):
        """Of masked tokens, and of the bytes of masked values."""
        x = self.hidden_padded(b) if padded else self.hidden(b, attend)[-1]
        code = F.cross_entropy(self.cls.predictions(x[b.t["row"]]), b.t["want"])
        y = self.cls.values.transform(x[b.t["vrow"]])
        value = sum(F.cross_entropy(d(y), b.t["vwant"][:, i]) for i, d in enumerate(self.cls.values.decoder))
        return code, ALPHA * value

    def hidden_padded(self, b):
        """
        The last hidden states as one writes it down first: sequences padded to the longest, the LSTM over the bytes of
        every token, nn.TransformerEncoderLayer with a mask.
        """
        keep = torch.arange(max(b.lengths))[None] < torch.tensor(b.lengths)[:, None]
        pad = lambda x: x.new_zeros(*keep.shape, *x.shape[1:]).masked_scatter(
            keep.view(*keep.shape, *[1] * (x.dim() - 1)).expand(*keep.shape, *x.shape[1:]), x)
        e, t = self.trex.embeddings, {k: pad(b.t[k]) for k in ("ids", "pos", "types", "op", "value")}
        _, (last, _) = e.value(F.one_hot(b.t["bytes"][t["value"].flatten()].T, SYMBOLS).float())
        x = e.LayerNorm(e.word_embeddings(t["ids"]) + e.position_embeddings(t["pos"]) +
                        e.architecture_embeddings(t["types"]) + e.operand_embeddings(t["op"]) +
                        torch.cat([last[0], last[1]], dim=-1).view(*keep.shape, -1))
        c = self.config
        shape = nn.TransformerEncoderLayer(c.hidden_size, c.num_attention_heads, c.intermediate_size, 0, F.gelu,
                                           c.layer_norm_eps, batch_first=True, device="meta")
        for layer in self.trex.encoder.layer:
            a, part = layer.attention, (layer.attention.self.query, layer.attention.self.key, layer.attention.self.value)
            weights = {"self_attn.in_proj_weight": torch.cat([p.weight for p in part]),
                       "self_attn.in_proj_bias": torch.cat([p.bias for p in part])}
            for name, m in (("self_attn.out_proj", a.output.dense), ("norm1", a.output.LayerNorm),
                            ("linear1", layer.intermediate.dense), ("linear2", layer.output.dense),
                            ("norm2", layer.output.LayerNorm)):
                weights.update({name + ".weight": m.weight, name + ".bias": m.bias})
            x = torch.func.functional_call(shape, weights, (x,), {"src_key_padding_mask": ~keep})
        return x[keep]

    def vectors(self, b):
        x = self.hidden(b)[-1]
        n = len(b.lengths)
        mean = torch.zeros(n, x.shape[1]).index_add(0, b.seq, x) / torch.tensor(b.lengths)[:, None]
        return self.projection(mean)

    def tensors(self):
        """What a folder of bb holds, by name: tied tensors once, of two biases one."""
        return {n: p for n, p in self.named_parameters()
                if "bias_ih_l0" not in n and not n.startswith("cls.predictions.decoder.")}


class Batch(nn_peer.Batch):
    """What nn_peer.Batch has, places in the instructions, and values: numbers of rows of bytes [V,8]."""

    def __init__(self, seqs, rng, vocab, mask=0.2):
        """seqs: of each (ids, instructions, architecture, places, values); value None: it has none."""
        super().__init__([(ids, [arch] * len(ids)) for ids, _, arch, _, _ in seqs], rng, vocab, mask)
        number = {None: 0, "hidden": 1}
        value = [number.setdefault(v, len(number)) for s in seqs for v in s[4]]
        had = [v for s in seqs for v in s[4]]
        vrow = [r for r in self.row if had[r] is not None]
        for r in vrow:
            value[r] = 1
        rows = [[256] * 8, [257] * 8] + [list(v.to_bytes(8, "big")) for v in list(number)[2:]]
        more = dict(pos=[p for s in seqs for p in s[1]], op=[p for s in seqs for p in s[3]], value=value, bytes=rows,
                    vrow=vrow, vwant=[list(had[r].to_bytes(8, "big")) for r in vrow])
        self.t.update({k: torch.tensor(v, dtype=torch.long) for k, v in more.items()})
        self.t["vwant"] = self.t["vwant"].view(-1, 8)

    def numbers(self):
        t = self.t
        parts = [super().numbers(), *(t[k].numpy() for k in ("pos", "op", "value", "bytes", "vrow")), t["vwant"].T.numpy()]
        parts[0][3:5] = len(t["bytes"]), len(t["vrow"])
        return np.concatenate([p.ravel().astype(np.uint32) for p in parts])
