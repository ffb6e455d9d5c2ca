"""nn_peer.py: what train and embed share: real batches, and BERT in PyTorch without padding.

The peer without padding keeps all tokens of a batch in one matrix, as bb does; attention runs on
groups of sequences of one length, with PyTorch's own scaled_dot_product_attention.
"""
import json, os, subprocess

import numpy as np
import torch
import torch.nn.functional as F
from transformers import BertConfig

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BB = os.path.abspath(os.environ.get("BB", f"{TOP}/build/bin"))
LIB = os.environ.get("LIBBB", os.path.join(os.path.dirname(BB), "libbb.a"))
ELF = ["/usr/bin/bash", "/usr/bin/perl"]


def build(folder):
    exe = f"{folder}/nn"
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-std=c11", "-D_GNU_SOURCE", f"-I{TOP}/libcommon", f"-I{TOP}",
                    "-pthread", "-o", exe, f"{TOP}/scripts/bench/nn.c", LIB, "-Wl,--as-needed", "-ljansson", "-ldnnl", "-lgomp",
                    "-lxxhash", "-lbsd", "-lm"], check=True)
    return exe


def tokens(folder, elf, vocab_size=4096):
    """Tokens of the strands of some programs: a list of (code, expressions), and the vocabulary's size."""
    sym = f"{folder}/sym.bb"
    pipe = lambda s, *a: subprocess.run(["bash", "-o", "pipefail", "-c", s, "bash", *a], check=True,
                                        stdout=subprocess.PIPE).stdout
    pipe(f'{BB}/bb-disasm -q "$@" | {BB}/bb-strands -q | {BB}/bb-sym -q | {BB}/bb-uniq -q > {sym}', *elf)
    subprocess.run([f"{BB}/bb-vocab", "-q", "-n", str(vocab_size), "-o", f"{folder}/vocab", sym], check=True)
    out = []
    for line in pipe(f"{BB}/bb-tok -q -m {folder}/vocab {sym} | {BB}/bb-cat -j").splitlines():
        r = json.loads(line)
        at, exprs = 0, []
        for n in r["elens"]:
            exprs.append(r["eids"][at:at + n])
            at += n
        out.append((r["ids"], exprs))
    return out, sum(1 for _ in open(f"{folder}/vocab/vocab.txt"))


class Batch:
    """Sequences end to end; see batches.h."""

    def __init__(self, seqs, rng=None, vocab=0, mask=0.3):
        self.lengths = [len(ids) for ids, _ in seqs]
        self.cu = np.concatenate([[0], np.cumsum(self.lengths)])
        self.ids = np.concatenate([np.array(ids) for ids, _ in seqs])
        self.types = np.concatenate([np.array(t) for _, t in seqs])
        self.row = self.want = np.zeros(0, dtype=np.int64)
        self.label = np.zeros(len(seqs), dtype=np.int64)
        if rng is not None:
            hide = (rng.random(len(self.ids)) < mask) & (self.ids > 4)
            self.row = np.nonzero(hide)[0]
            self.want = self.ids[self.row].copy()
            self.ids[self.row] = 4
            self.label = rng.integers(0, 2, len(seqs))
        # Attention's groups: the tokens of all sequences of one length, as [sequences, length].
        by = {}
        for i, n in enumerate(self.lengths):
            by.setdefault(n, []).append(self.cu[i] + np.arange(n))
        self.groups = [torch.tensor(np.stack(g)) for g in by.values()]
        self.order = torch.tensor(np.argsort(np.concatenate([g.numpy().ravel() for g in self.groups])))
        pos = np.concatenate([np.arange(n) for n in self.lengths])
        self.t = {k: torch.tensor(v, dtype=torch.long) for k, v in
                  dict(ids=self.ids, types=self.types, pos=pos, row=self.row, want=self.want, label=self.label,
                       first=self.cu[:-1]).items()}
        self.seq = torch.repeat_interleave(torch.arange(len(seqs)), torch.tensor(self.lengths))

    def numbers(self):
        parts = [[len(self.lengths), len(self.ids), len(self.row), 0, 0], self.cu, self.ids, self.types, self.row, self.want,
                 self.label]
        return np.concatenate([np.asarray(p, dtype=np.uint32) for p in parts])

    def padded(self):
        """ids, types, mask, want (-100: not asked) as [sequences, longest]."""
        s, n = len(self.lengths), max(self.lengths)
        ids, types, mask = (torch.zeros(s, n, dtype=torch.long) for _ in range(3))
        want = torch.full((s, n), -100)
        flat = torch.full((len(self.ids),), -100)
        flat[self.t["row"]] = self.t["want"]
        for i, k in enumerate(self.lengths):
            at = slice(self.cu[i], self.cu[i + 1])
            ids[i, :k], types[i, :k], want[i, :k] = self.t["ids"][at], self.t["types"][at], flat[at]
            mask[i, :k] = 1
        return ids, types, mask, want


def write(path, batches):
    parts = [np.array([len(batches)], dtype=np.uint32)] + [b.numbers() for b in batches]
    np.concatenate(parts).astype("<u4").tofile(path)


def run(exe, model, batches, threads, mode, out):
    """Seconds of the processor and of the clock, peak memory in KiB, results."""
    r = subprocess.run([exe, model, batches, str(threads), mode, out], check=True, stdout=subprocess.PIPE).stdout
    cpu, wall, peak = r.split()
    return float(cpu), float(wall), int(peak), np.fromfile(out, dtype="<f4")


def config(a, vocab):
    return BertConfig(vocab_size=vocab, hidden_size=a.hidden, num_hidden_layers=a.layers,
                      num_attention_heads=a.heads, intermediate_size=4 * a.hidden, max_position_embeddings=512,
                      hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)


def grouped(q, k, v, b, heads):
    """Attention without padding: sequences of one length together. q, k, v [T,h] to [T,h]."""
    outs = []
    for g in b.groups:
        s, n = g.shape
        cut = lambda t: t[g.view(-1)].view(s, n, heads, -1).transpose(1, 2)
        outs.append(F.scaled_dot_product_attention(cut(q), cut(k), cut(v)).transpose(1, 2).reshape(s * n, -1))
    return torch.cat(outs)[b.order]


def one_layer(layer, x, b, heads, attend=None):
    """A BertLayer on the rows of a packed batch."""
    a = layer.attention
    o = (attend or grouped)(a.self.query(x), a.self.key(x), a.self.value(x), b, heads)
    x = a.output.LayerNorm(a.output.dense(o) + x)
    return layer.output.LayerNorm(layer.output.dense(F.gelu(layer.intermediate.dense(x))) + x)


def hidden(bert, b, attend=None):
    """
    The last hidden states [T,h] of a packed batch by the modules of a transformers BertModel; attend: another
    function than grouped.
    """
    e = bert.embeddings
    x = e.LayerNorm(e.word_embeddings(b.t["ids"]) + e.position_embeddings(b.t["pos"]) +
                    e.token_type_embeddings(b.t["types"]))
    for layer in bert.encoder.layer:
        x = one_layer(layer, x, b, bert.config.num_attention_heads, attend)
    return x


def pretraining_loss(model, b, attend=None):
    """ELM at the masked tokens alone, and SSM: what bb's model_pretrain computes."""
    x = hidden(model.bert, b, attend)
    elm = F.cross_entropy(model.cls.predictions(x[b.t["row"]]), b.t["want"])
    ssm = F.cross_entropy(model.cls.seq_relationship(model.bert.pooler.activation(
        model.bert.pooler.dense(x[b.t["first"]]))), b.t["label"])
    return elm + ssm
