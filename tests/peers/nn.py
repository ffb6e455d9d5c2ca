"""The encoder against PyTorch and transformers.

    python tests/peers/nn.py [OUTPUT-FOLDER-OF-MAKE]

Forward of a random model <= 1e-5, losses and every gradient <= 1e-4 relative, 20 AdamW steps track;
a folder of transformers loads in bb, a folder of bb loads in transformers with no key missing or
left over, and gives the same hidden states. Needs torch, transformers, safetensors.
"""
import os, subprocess, sys, tempfile

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, BertConfig, BertForPreTraining

O = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("O", "build")
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STEPS = 20
failed = 0


def check(what, value, limit):
    global failed
    ok = value <= limit
    failed += not ok
    print(f"{'ok  ' if ok else 'FAIL'} {what}: {value:.3g} (limit {limit:g})")


def build(folder):
    exe = os.path.join(folder, "nn_dump")
    subprocess.run(
        ["gcc", "-std=c11", "-D_GNU_SOURCE", "-O2", "-pthread", "-I" + TOP,
         "-I" + os.path.join(TOP, "libcommon"), os.path.join(TOP, "tests/peers/nn_dump.c"),
         os.path.join(O, "libbb.a"), "-Wl,--as-needed", "-ljansson", "-ldnnl", "-lgomp",
         "-lxxhash", "-lbsd", "-lm", "-o", exe], check=True)
    return exe


def batch(vocab, lengths):
    g = torch.Generator().manual_seed(3)
    n = max(lengths)
    s = len(lengths)
    ids = torch.randint(5, vocab, (s, n), generator=g)
    types = torch.zeros(s, n, dtype=torch.long)
    mask = torch.zeros(s, n, dtype=torch.long)
    want = torch.full((s, n), -100)
    for i, k in enumerate(lengths):
        mask[i, :k] = 1
        types[i, k // 2:k] = 1
        hide = torch.rand(k, generator=g) < 0.3
        want[i, :k][hide] = torch.randint(0, vocab, (int(hide.sum()),), generator=g)
        ids[i, k:] = 0
    label = torch.randint(0, 2, (s,), generator=g)
    return ids, types, mask, want, label


def packed(ids, types, mask, want, label):
    m = mask.bool()
    w = want[m]
    cu = torch.cat([torch.zeros(1, dtype=torch.long), mask.sum(1).cumsum(0)])
    row = (w != -100).nonzero().flatten()
    f = lambda t: t.float().contiguous()
    return dict(cu=f(cu), ids=f(ids[m]), types=f(types[m]), row=f(row), want=f(w[row]),
                label=f(label))


def loss_of(model, ids, types, mask, want, label):
    out = model(input_ids=ids, token_type_ids=types, attention_mask=mask)
    ce = torch.nn.functional.cross_entropy
    elm = ce(out.prediction_logits.flatten(0, 1), want.flatten(), ignore_index=-100)
    ssm = ce(out.seq_relationship_logits, label)
    return elm, ssm


def optimiser(model):
    flat = [p for n, p in model.named_parameters() if n.endswith("bias") or "LayerNorm" in n]
    rest = [p for n, p in model.named_parameters() if not (n.endswith("bias") or "LayerNorm" in n)]
    return torch.optim.AdamW([dict(params=rest, weight_decay=0.01),
                              dict(params=flat, weight_decay=0.0)], lr=1e-3)


def compare(folder, exe, name, config, lengths):
    print(name)
    torch.manual_seed(1)
    model = BertForPreTraining(BertConfig(
        hidden_dropout_prob=0, attention_probs_dropout_prob=0, initializer_range=0.05,
        attn_implementation="eager", **config)).train()
    for n, p in model.named_parameters():
        if p.dim() == 1:
            p.data += 0.05 * torch.randn(p.shape)
    mdir = os.path.join(folder, name)
    model.save_pretrained(mdir)
    data = batch(config["vocab_size"], lengths)
    bfile, ofile = os.path.join(mdir, "batch"), os.path.join(mdir, "out")
    save_file(packed(*data), bfile)
    subprocess.run([exe, mdir, bfile, ofile, str(STEPS)], check=True)
    got = load_file(ofile)
    ids, types, mask, want, label = data
    m = mask.bool()

    with torch.no_grad():
        hidden = model.bert(input_ids=ids, token_type_ids=types, attention_mask=mask,
                            output_hidden_states=True).hidden_states
    worst = max((h[m].flatten() - got[f"hidden.{i}"]).abs().max().item()
                for i, h in enumerate(hidden))
    check("hidden states", worst, 1e-5)
    mean = (hidden[-1] * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    check("pooled vectors", (mean.flatten() - got["pooled"]).abs().max().item(), 1e-5)

    elm, ssm = loss_of(model, *data)
    check("ELM loss, relative", abs(got["losses"][0] - elm).item() / elm.item(), 1e-4)
    check("SSM loss, relative", abs(got["losses"][1] - ssm).item() / ssm.item(), 1e-4)
    (elm + ssm).backward()
    worst, which, seen = 0, "", 0
    total = sum(p.grad.norm() ** 2 for p in model.parameters()) ** 0.5
    for n, p in model.named_parameters():
        g = got[f"grad.{n}"]
        seen += 1
        # key biases have no gradient but rounding: measured against the whole gradient then
        r = ((g - p.grad.flatten()).norm() / max(p.grad.norm(), 1e-4 * total)).item()
        if r > worst:
            worst, which = r, n
    check(f"gradients of {seen} tensors, relative, worst {which}", worst, 1e-4)

    opt = optimiser(model)
    track = []
    for _ in range(STEPS):
        opt.zero_grad()
        loss = sum(loss_of(model, *data))
        track.append(loss.item())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
    track = torch.tensor(track)
    print(f"     loss from {track[0]:.4f} to {track[-1]:.4f}")
    check("losses of 20 steps, relative", ((got["track"] - track).abs() / track).max().item(), 1e-3)

    back, info = BertForPreTraining.from_pretrained(ofile + ".model", output_loading_info=True)
    check("keys missing or left over in BertForPreTraining",
          len(info["missing_keys"]) + len(info["unexpected_keys"]) + len(info["mismatched_keys"]), 0)
    mine = dict(back.named_parameters())
    worst = max(((mine[n] - p).norm() / p.norm()).item() for n, p in model.named_parameters())
    check("parameters after 20 steps, relative", worst, 2e-2)
    auto, info = AutoModel.from_pretrained(ofile + ".model", output_loading_info=True)
    check("keys missing in AutoModel", len(info["missing_keys"]), 0)
    with torch.no_grad():
        a = auto.eval()(input_ids=ids, token_type_ids=types, attention_mask=mask)[0]
        b = back.bert.eval()(input_ids=ids, token_type_ids=types, attention_mask=mask)[0]
    check("AutoModel gives the same states", (a - b)[m].abs().max().item(), 1e-5)


with tempfile.TemporaryDirectory() as folder:
    exe = build(folder)
    torch.set_num_threads(2)
    compare(folder, exe, "odd", dict(vocab_size=97, hidden_size=60, num_hidden_layers=3,
            num_attention_heads=5, intermediate_size=100, max_position_embeddings=80),
            [1, 7, 33, 64, 20])
    compare(folder, exe, "even", dict(vocab_size=1000, hidden_size=192, num_hidden_layers=4,
            num_attention_heads=3, intermediate_size=768, max_position_embeddings=512),
            [12, 127, 31, 33, 200, 64, 5, 90])
print("failed" if failed else "all within limits")
sys.exit(failed > 0)
