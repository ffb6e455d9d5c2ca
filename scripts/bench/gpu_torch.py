"""gpu_torch.py: the model of scripts/bench/gpu in PyTorch, on its batches; see there.

	gpu_torch.py train|embed LAYERS,HIDDEN,HEADS,VOCAB[,trex] BATCHES SECONDS

Prints one object: for `padded` and `unpadded` the real tokens and sequences a second and how it was
done. Padded is what transformers' Trainer does with bf16: autocast, fused AdamW, clipping, batches
padded to their longest sequence, scaled_dot_product_attention, logits at all positions. Unpadded
keeps all tokens in one matrix and takes the fastest attention that works here: varlen_attn, nested
tensors, or groups of sequences of one length (nn_peer.py). A Trex (trex_peer.py) reads each distinct value of a batch
once in both; padded are its sequences, to the longest of the batch. It is trained here, not searched with.
"""
import json
import sys
import time

try:
    import numpy as np
    import torch
    import torch.nn.functional as F
    from transformers import BertForPreTraining

    import nn_peer as peer
    import trex_peer
except ImportError as e:
    sys.exit(f"PyTorch and transformers cannot be imported: {e}")

KIND, MODEL, PATH, SECONDS = sys.argv[1], sys.argv[2].split(","), sys.argv[3], float(sys.argv[4])
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
TREX = MODEL[4:] == ["trex"]
ARCHITECTURES, OPERANDS = 16, 64


class Sizes:
    layers, hidden, heads = (int(x) for x in MODEL[:3])


def read(path):
    p = np.fromfile(path, dtype="<u4").astype(np.int64)
    at, out = 1, []

    def take(n):
        nonlocal at
        at += n
        return p[at - n:at]
    for _ in range(p[0]):
        s, t, m, v, n = take(5)
        cu, ids, types, row, want, label = (take(n) for n in (s + 1, t, t, m, m, s))
        seqs = [(ids[a:b], types[a:b]) for a, b in zip(cu, cu[1:])]
        b = peer.Batch(seqs)
        b.row, b.want, b.label = row, want, label
        for k in ("row", "want", "label"):
            b.t[k] = torch.tensor(getattr(b, k))
        if v:
            more = dict(pos=take(t), op=take(t), value=take(t), bytes=take(8 * v).reshape(v, 8), vrow=take(n),
                        vwant=take(8 * n).reshape(8, n).T)
            b.t.update({k: torch.tensor(x) for k, x in more.items()})
        out.append(b)
    return out


def to_device(b):
    b.t = {k: v.to(DEVICE) for k, v in b.t.items()}
    b.groups = [g.to(DEVICE) for g in b.groups]
    b.order, b.seq = b.order.to(DEVICE), b.seq.to(DEVICE)
    b.starts = torch.tensor(b.cu, dtype=torch.int32, device=DEVICE)
    b.longest = max(b.lengths)


def settle():
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def autocast():
    return torch.autocast(DEVICE, dtype=torch.bfloat16)


# ---- attention without padding: q, k, v [T,h] to [T,h] ----

def varlen(q, k, v, b, heads):
    from torch.nn.attention.varlen import varlen_attn
    cut = lambda t: t.view(len(t), heads, -1)
    o = varlen_attn(cut(q), cut(k), cut(v), b.starts, b.starts, b.longest, b.longest)
    return o.reshape(len(q), -1)


def nested(q, k, v, b, heads):
    offsets = b.starts.long()
    cut = lambda t: torch.nested.nested_tensor_from_jagged(t.view(len(t), heads, -1), offsets,
                                                           max_seqlen=b.longest).transpose(1, 2)
    o = F.scaled_dot_product_attention(cut(q), cut(k), cut(v)).transpose(1, 2)
    return o.values().reshape(len(q), -1)


# ---- with padding: sequences of one length, whose tokens do not look at what fills them up ----

class Filled:
    """A batch of a Trex whose sequences are all as long as the longest."""

    def __init__(self, b):
        keep = torch.arange(b.longest)[None] < torch.tensor(b.lengths)[:, None]
        at = keep.flatten().nonzero().flatten().to(DEVICE)  # where each token goes
        fill = lambda x: x.new_zeros(keep.numel()).index_copy(0, at, x)
        self.t = {k: fill(b.t[k]) for k in ("ids", "pos", "types", "op", "value")}
        self.t.update({k: at[b.t[k]] for k in ("row", "vrow")}, **{k: b.t[k] for k in ("want", "vwant", "bytes")})
        self.mask, self.shape = keep.to(DEVICE)[:, None, None], keep.shape


def filled(q, k, v, b, heads):
    cut = lambda t: t.view(*b.shape, heads, -1).transpose(1, 2)
    return F.scaled_dot_product_attention(cut(q), cut(k), cut(v), b.mask).transpose(1, 2).reshape(q.shape)


# ---- what is measured ----

def optimiser(model):
    flat = [p for n, p in model.named_parameters() if n.endswith("bias") or "LayerNorm" in n]
    rest = [p for n, p in model.named_parameters() if not (n.endswith("bias") or "LayerNorm" in n)]
    return torch.optim.AdamW([dict(params=rest, weight_decay=0.01), dict(params=flat, weight_decay=0.0)], lr=1e-4,
                             fused=DEVICE == "cuda")


def step(model, opt, losses):
    opt.zero_grad(set_to_none=True)
    total = 0.0
    for loss in losses():
        loss.backward()
        total += loss.detach()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    opt.step()
    return total


def unpadded(model, opt, b, attend):
    def losses():
        with autocast():
            yield sum(model.losses(b, attend=attend)) if TREX else peer.pretraining_loss(model, b, attend)
    if opt:
        return step(model, opt, losses)
    with torch.no_grad(), autocast():
        x = peer.hidden(model.bert, b, attend).float()
    v = torch.zeros(len(b.lengths), x.shape[1], device=DEVICE).index_add_(0, b.seq, x)
    return (v / torch.tensor(b.lengths, device=DEVICE)[:, None]).cpu()


def pieces(b, size):
    """The batch in padded pieces of so many sequences."""
    out = []
    for i in range(0, len(b.lengths), size):
        a, e = b.cu[i], b.cu[min(i + size, len(b.lengths))]
        part = peer.Batch([(b.ids[x:y], b.types[x:y]) for x, y in zip(b.cu[i:i + size], b.cu[i + 1:i + size + 1])])
        inside = (b.row >= a) & (b.row < e)
        part.row, part.want = b.row[inside] - a, b.want[inside]
        part.t["row"], part.t["want"] = torch.tensor(part.row), torch.tensor(part.want)
        out.append([t.to(DEVICE) for t in (*part.padded(), torch.tensor(b.label[i:i + size]))])
    return out


def padded(model, opt, parts):
    def losses():
        for ids, types, mask, want, label in parts:
            with autocast():
                yield model(input_ids=ids, token_type_ids=types, attention_mask=mask, labels=want,
                            next_sentence_label=label).loss / len(parts)
    if opt:
        return step(model, opt, losses)
    out = []
    for ids, types, mask, _, _ in parts:
        with torch.no_grad(), autocast():
            x = model.bert(input_ids=ids, token_type_ids=types, attention_mask=mask).last_hidden_state
        out.append(((x * mask[:, :, None]).sum(1) / mask.sum(1)[:, None]).float().cpu())
    return out


def fresh():
    torch.manual_seed(1)
    config = peer.config(Sizes, int(MODEL[3]))
    model = trex_peer.Trex(config, ARCHITECTURES, OPERANDS, "pretraining") if TREX else BertForPreTraining(config)
    model.to(DEVICE).train(KIND == "train")
    return model, optimiser(model) if KIND == "train" else None


def rate(work, data, seconds):
    """Rounds over all batches for so long, after one that is not counted."""
    model, opt = fresh()
    for b in data:
        last = work(model, opt, b)
    settle()
    start, n = time.perf_counter(), 0
    while True:
        last = work(model, opt, data[n % len(data)])
        n += 1
        if n % len(data) == 0:
            settle()
            if time.perf_counter() - start > seconds:
                break
    seconds = time.perf_counter() - start
    if opt and not torch.isfinite(last):
        raise ValueError("the loss is not finite")
    return n / len(data) / seconds


def attempt(name, seconds, work, data, tokens, seqs, tried):
    try:
        r = rate(work, data, seconds)
    except Exception as e:  # what works depends on the version and the device
        tried[name] = f"{type(e).__name__}: {str(e)[:200]}"
    else:
        tried[name] = dict(how=name, tokens_s=tokens * r, seqs_s=seqs * r, strands_s=seqs * r)
    if DEVICE == "cuda":
        torch.cuda.empty_cache()


def best(tried):
    good = [t for t in tried.values() if isinstance(t, dict)]
    return max(good, key=lambda t: t["tokens_s"]) if good else None


def main():
    torch.backends.cuda.matmul.allow_tf32 = True
    data = read(PATH)
    tokens, seqs = sum(len(b.ids) for b in data), sum(len(b.lengths) for b in data)
    out = dict(torch=torch.__version__, torch_device=DEVICE, unpadded_tried={}, padded_tried={})
    for b in data:
        to_device(b)
    for name, attend in (("varlen_attn", varlen), ("nested tensors", nested), ("groups of one length", None)):
        attempt(name, SECONDS / 2, lambda m, o, b: unpadded(m, o, b, attend), data, tokens, seqs, out["unpadded_tried"])
    if TREX:
        attempt("all sequences at once", SECONDS / 2, lambda m, o, b: unpadded(m, o, b, filled), [Filled(b) for b in data],
                tokens, seqs, out["padded_tried"])
    for size in () if TREX else (256, 64) if DEVICE == "cuda" else (8,):
        parts = [pieces(b, size) for b in data]
        attempt(f"{size} sequences at a time", SECONDS / 2, padded, parts, tokens, seqs, out["padded_tried"])
    out["unpadded"], out["padded"] = best(out["unpadded_tried"]), best(out["padded_tried"])
    print(json.dumps(out))


main()
