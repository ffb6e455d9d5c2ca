"""A Trex against the same in PyTorch (scripts/bench/trex_peer.py): nn.LSTM over the bytes of values.

    python tests/peers/trex.py [OUTPUT-FOLDER-OF-MAKE]

Hidden states <= 1e-5, losses and every gradient <= 1e-4 relative, 20 AdamW steps track, and the
file that is written then holds the parameters by PyTorch's names; the projection with the cosine
loss likewise. Needs torch, transformers, safetensors.
"""
import json, os, subprocess, sys, tempfile

sys.path.pop(0)  # tokenizers.py of this folder is not the package of that name

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from transformers import BertConfig

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from against import O, TOP, build, check, finish

os.environ.setdefault("BB", O + "/bin")
sys.path.append(os.path.join(TOP, "scripts/bench"))

import trex_peer as peer

STEPS, ARCHITECTURES, OPERANDS = 20, 5, 7


def batch(vocab, lengths):
    """Made-up instructions of up to nine tokens; a third of the tokens have a value, small or of 64 bits."""
    rng = np.random.default_rng(4)
    seqs = []
    for n in lengths:
        ids, insn, op, values, at, place = [], [], [], [], 0, 0
        for _ in range(n):
            if place == 0 or rng.random() < 0.2:
                at, place = at + 1, 0
            ids.append(int(rng.integers(5, vocab)))
            insn.append(at)
            op.append(min(place, OPERANDS - 1))
            small = int(rng.integers(0, 40))
            values.append([None, None, small, (1 << 64) - 1 - small, int(rng.integers(0, 1 << 63))][rng.integers(0, 5)])
            place += 1
        seqs.append((ids, insn, len(seqs) % ARCHITECTURES, op, values))
    return peer.Batch(seqs, rng, vocab)


def write(path, b):
    f = lambda x: torch.as_tensor(x).flatten().float().contiguous()
    numbers = {k: f(b.t[k]) for k in ("ids", "types", "pos", "op", "value", "bytes", "row", "want", "label", "vrow")}
    save_file(dict(cu=f(b.cu), vwant=f(b.t["vwant"].T.contiguous()), **numbers), path)


def turn(name, flat, like):
    """bb holds the table of symbols by rows: nn.LSTM's weight_ih transposed."""
    return flat.view(like.shape[1], like.shape[0]).T if "weight_ih" in name else flat.view(like.shape)


def compare_gradients(model, got):
    worst, which = 0, ""
    total = sum(p.grad.norm() ** 2 for p in model.tensors().values()) ** 0.5
    for n, p in model.tensors().items():
        g = turn(n, got[f"grad.{n}"], p)
        # key biases have no gradient but rounding: measured against the whole gradient then
        r = ((g - p.grad).norm() / max(p.grad.norm(), 1e-4 * total)).item()
        if r > worst:
            worst, which = r, n
    extra = set(k[5:] for k in got if k.startswith("grad.")) ^ set(model.tensors())
    check(f"tensors that only one of them has {sorted(extra)[:3]}", len(extra), 0)
    check(f"gradients of {len(model.tensors())} tensors, relative, worst {which}", worst, 1e-4)


def optimiser(model):
    is_flat = lambda n: n.endswith("bias") or "LayerNorm" in n or "bias_hh" in n
    t = model.tensors()
    return torch.optim.AdamW([dict(params=[p for n, p in t.items() if not is_flat(n)], weight_decay=0.01),
                              dict(params=[p for n, p in t.items() if is_flat(n)], weight_decay=0.0)], lr=1e-3)


def model_of(folder, name, head, config):
    torch.manual_seed(1)
    c = BertConfig(hidden_dropout_prob=0, attention_probs_dropout_prob=0, attn_implementation="eager", **config)
    model = peer.Trex(c, ARCHITECTURES, OPERANDS, head).train()
    for n, p in model.tensors().items():
        p.data = 0.05 * torch.randn(p.shape) + (1 if "LayerNorm.weight" in n else 0)
        if "embeddings.value" in n:
            p.data *= 4
    d = os.path.join(folder, name)
    os.mkdir(d)
    save_file({n: p.data.contiguous() for n, p in model.tensors().items()}, d + "/model.safetensors", {"format": "pt"})
    keys = dict(config, model_type="trex", type_vocab_size=ARCHITECTURES, max_operand_positions=OPERANDS,
                architectures=["TrexForPreTraining" if head == "pretraining" else "TrexModel"], layer_norm_eps=c.layer_norm_eps,
                projection=head == "projection", hidden_act="gelu")
    with open(d + "/config.json", "w") as f:
        json.dump(keys, f)
    return model, d


def pretraining(folder, exe, name, config, lengths):
    print(name)
    model, d = model_of(folder, name, "pretraining", config)
    b = batch(config["vocab_size"], lengths)
    write(d + "/batch", b)
    subprocess.run([exe, d, d + "/batch", d + "/out", str(STEPS)], check=True)
    got = load_file(d + "/out")
    with torch.no_grad():
        states = model.hidden(b)
    check(f"hidden states, {len(b.ids)} tokens, {len(b.t['bytes'])} values",
          max((x.flatten() - got[f"hidden.{i}"]).abs().max().item() for i, x in enumerate(states)), 1e-5)
    losses = model.losses(b)
    for i, what in enumerate(("code", "values")):
        check(f"loss of {what}, relative", abs(got["losses"][i] - losses[i]).item() / losses[i].item(), 1e-4)
    sum(losses).backward()
    compare_gradients(model, got)
    opt, track = optimiser(model), []
    for _ in range(STEPS):
        opt.zero_grad()
        loss = sum(model.losses(b))
        track.append(loss.item())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.tensors().values(), 1.0)
        opt.step()
    track = torch.tensor(track)
    print(f"     loss from {track[0]:.4f} to {track[-1]:.4f}")
    check("losses of 20 steps, relative", ((got["track"] - track).abs() / track).max().item(), 1e-3)
    mine = load_file(d + "/out.model/model.safetensors")
    check("names and shapes of tensors that differ",
          len({(n, p.shape) for n, p in mine.items()} ^ {(n, p.shape) for n, p in model.tensors().items()}), 0)
    check("parameters after 20 steps, relative",
          max(((mine[n] - p).norm() / p.norm()).item() for n, p in model.tensors().items()), 2e-2)


def projection(folder, exe, config, lengths):
    print("projection")
    model, d = model_of(folder, "projection", "projection", config)
    b = batch(config["vocab_size"], lengths)
    write(d + "/batch", b)
    subprocess.run([exe, d, d + "/batch", d + "/out", "0"], check=True)
    got = load_file(d + "/out")
    v = model.vectors(b)
    check("vectors", (v.flatten() - got["pooled"]).abs().max().item(), 1e-5)
    alike = torch.tensor([1.0 if i % 2 == 0 else -1.0 for i in range(len(lengths) - 1)])
    loss = F.cosine_embedding_loss(v[:-1], v[1:], alike, margin=0.1)
    check("cosine loss, relative", abs(got["losses"][0] - loss).item() / loss.item(), 1e-4)
    loss.backward()
    compare_gradients(model, got)


with tempfile.TemporaryDirectory() as folder:
    exe = build(folder)
    torch.set_num_threads(2)
    odd = dict(vocab_size=97, hidden_size=60, num_hidden_layers=3, num_attention_heads=5, intermediate_size=100,
               max_position_embeddings=80)
    pretraining(folder, exe, "odd", odd, [1, 7, 33, 64, 20])
    pretraining(folder, exe, "even", dict(vocab_size=1000, hidden_size=192, num_hidden_layers=4, num_attention_heads=3,
                intermediate_size=768, max_position_embeddings=512), [12, 127, 31, 33, 200, 64, 5, 90])
    projection(folder, exe, odd, [1, 7, 33, 64, 20])
finish()
