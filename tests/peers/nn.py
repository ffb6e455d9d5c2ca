"""The encoder against PyTorch and transformers.

    python tests/peers/nn.py [OUTPUT-FOLDER-OF-MAKE]

Forward of a random model <= 1e-5, losses and every gradient <= 1e-4 relative, 20 AdamW steps track;
a folder of transformers loads in bb, a folder of bb loads in transformers with no key missing or
left over, and gives the same hidden states. Needs torch, transformers, safetensors.
"""
import json, os, subprocess, sys, tempfile

sys.path.pop(0)  # tokenizers.py of this folder is not the package of that name

import torch
import xxhash
from safetensors.torch import load_file, save_file
from transformers import (AutoModel, AutoModelForSequenceClassification, AutoModelForTokenClassification,
                          BertConfig, BertForPreTraining, BertForSequenceClassification,
                          BertForTokenClassification)

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from against import O, TOP, build, check, finish

BB = os.path.join(O, "bin")
STEPS = 20


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


def compare_gradients(model, got):
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


def compare_classifier(folder, exe, cls, classes, config, lengths):
    print(cls.__name__)
    torch.manual_seed(2)
    model = cls(BertConfig(hidden_dropout_prob=0, attention_probs_dropout_prob=0, initializer_range=0.05,
                           attn_implementation="eager", num_labels=classes, **config)).train()
    mdir = os.path.join(folder, cls.__name__)
    model.save_pretrained(mdir)
    ids, types, mask, want, label = batch(config["vocab_size"], lengths)
    want = torch.where(want == -100, want, want % classes)
    label = label % classes
    bfile, ofile = os.path.join(mdir, "batch"), os.path.join(mdir, "out")
    save_file(packed(ids, types, mask, want, label), bfile)
    subprocess.run([exe, mdir, bfile, ofile, "0"], check=True)
    got = load_file(ofile)
    logits = model(input_ids=ids, token_type_ids=types, attention_mask=mask).logits
    if logits.dim() == 3:
        rows = want[mask.bool()] != -100
        logits, label = logits[mask.bool()][rows], want[mask.bool()][rows]
    p = logits.softmax(-1).detach()
    check("probabilities", (p.flatten() - got["probabilities"]).abs().max().item(), 1e-5)
    loss = torch.nn.functional.cross_entropy(logits, label)
    check("loss, relative", abs(got["loss"][0] - loss).item() / loss.item(), 1e-4)
    loss.backward()
    compare_gradients(model, got)


def records(n):
    """Made-up tokens with a label, marks and a question, as a stream of kind tokens."""
    g = torch.Generator().manual_seed(5)
    out = []
    for i in range(n):
        k = int(torch.randint(2, 9, (1,), generator=g))
        ids = torch.randint(5, 60, (3 * k,), generator=g).tolist()
        out.append(json.dumps({
            "unit": "block", "origin": {"bin": "00" * 16, "file": "f", "fn": hex(i), "name": "", "addr": hex(i)},
            "labels": {"opt": "O" + str(ids[0] % 3), "answer": str(ids[1] % 4)}, "group": "", "vocab": VOCAB_HASH,
            "cut": 0, "ids": ids, "starts": list(range(0, 3 * k, 3)),
            "marks": [2 if j == k - 1 else ids[3 * j] & 1 for j in range(k)], "eids": [7, 8, 9], "elens": [2, 1]}))
    return subprocess.run([BB + "/bb-cat", "--from-json", "tokens"], input="\n".join(out).encode(),
                          capture_output=True, check=True).stdout


def folders(folder):
    """What bb-train writes for each task opens in transformers with no key missing or left over, and says the same."""
    global VOCAB_HASH
    vocab = os.path.join(folder, "vocab.txt")
    with open(vocab, "w") as f:
        f.write("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n" + "".join(f"t{i}\n" for i in range(60)))
    with open(vocab, "rb") as f:
        VOCAB_HASH = "0x%x" % xxhash.xxh3_64(f.read()).intdigest()
    tokens = records(120)
    config = ["--vocab", vocab, "--config", "layers=2,hidden=32,heads=2,intermediate=64,max_len=64", "--steps", "8",
              "--batch-tokens", "512", "--lr", "5e-3", "-q"]
    rows = [json.loads(x) for x in subprocess.run([BB + "/bb-cat", "-j"], input=tokens, capture_output=True,
                                                  check=True).stdout.splitlines()]
    for task, cls, more in (("elm", BertForPreTraining, []), ("similarity", AutoModel, ["--steps", "0"]),
                            ("classify", AutoModelForSequenceClassification, ["--label", "opt"]),
                            ("execute", AutoModelForSequenceClassification, []),
                            ("recover", AutoModelForTokenClassification, [])):
        print("a folder of --task", task)
        d = os.path.join(folder, "task-" + task)
        subprocess.run([BB + "/bb-train", "--task", task, *config, *more, "-o", d], input=tokens, check=True)
        model, info = cls.from_pretrained(d, output_loading_info=True)
        check(f"keys missing or left over in {type(model).__name__}",
              len(info["missing_keys"]) + len(info["unexpected_keys"]) + len(info["mismatched_keys"]), 0)
        if task == "similarity":
            half(d, folder, tokens, rows)
        if task in ("elm", "similarity"):
            continue
        said = subprocess.run(f"{BB}/bb-embed -m {d} --predict | {BB}/bb-cat -j", shell=True, input=tokens,
                              capture_output=True, check=True).stdout.splitlines()
        said = [json.loads(x) for x in said]
        want, classes = [], None
        for r in rows:
            ids, types, at = [2, *r["ids"], 3], None, None
            if task == "execute":
                ids += [7, 8, 3, 9, 3]
            if task == "recover":
                ids = [2, *r["ids"][:-3], 4, *r["ids"][-3:], 4, 3]
                at = [1 + s for s in r["starts"][:-1]]
            types = [0] * (len(ids) - (5 if task == "execute" else 0)) + [1] * (5 if task == "execute" else 0)
            with torch.no_grad():
                p = model(input_ids=torch.tensor([ids]), token_type_ids=torch.tensor([types])).logits[0].softmax(-1)
            want += [p[i] for i in at] if at else [p]
        check("predictions", abs(len(said) - len(want)), 0)
        check("probabilities", max((torch.tensor(s["scores"]) - w).abs().max().item() for s, w in zip(said, want)),
              1e-5)
        check("class names", sum(s["classes"] != [model.config.id2label[i] for i in range(len(s["classes"]))]
                                 for s in said), 0)


def half(init, folder, tokens, rows):
    """A folder with its matrices in BF16 opens too, is computed in 32 bits, and gives the vectors of bb-embed."""
    d = os.path.join(folder, "bf16")
    subprocess.run([BB + "/bb-train", "-q", "--task", "similarity", "--init", init, "--steps", "0", "--dtype", "bf16",
                    "-o", d], check=True)
    model, info = AutoModel.from_pretrained(d, output_loading_info=True)
    check("BF16: keys missing or left over", len(info["missing_keys"]) + len(info["unexpected_keys"]), 0)
    said = subprocess.run(f"{BB}/bb-embed -m {d} | {BB}/bb-cat -j", shell=True, input=tokens, capture_output=True,
                          check=True).stdout.splitlines()
    worst = 0
    for r, s in zip(rows, said, strict=True):
        with torch.no_grad():
            x = model(input_ids=torch.tensor([[2, *r["ids"], 3]]))[0][0].float().mean(0)
        worst = max(worst, (x - torch.tensor(json.loads(s)["vec"])).abs().max().item())
    check("BF16: vectors", worst, 1e-5)


def shipped(folder):
    """The model that comes with bb opens, and its vectors are the mean by rarity that its card describes."""
    d = os.path.join(TOP, "models/functions")
    model, info = AutoModel.from_pretrained(d, output_loading_info=True)
    check("shipped model: keys missing or left over", len(info["missing_keys"]) + len(info["unexpected_keys"]), 0)
    rarity = json.load(open(d + "/config.json"))["bb"]["rarity"]
    pipe = f"{BB}/bb-disasm {BB}/bb-eval | {BB}/bb-strands | {BB}/bb-sym -q | {BB}/bb-join --shape | {BB}/bb-cat -n 40 |" \
           f"{BB}/bb-tok -m {d} -o {folder}/t"
    subprocess.run(pipe, shell=True, check=True)
    rows, said = ([json.loads(x) for x in subprocess.run(c, shell=True, capture_output=True, check=True).stdout.splitlines()]
                  for c in (f"{BB}/bb-cat -j {folder}/t", f"{BB}/bb-embed -m {d} {folder}/t | {BB}/bb-cat -j"))
    worst = 0
    for r, s in zip(rows, said, strict=True):
        ids = [2, *r["ids"], 3]
        w = torch.tensor([rarity[i] / ids.count(i) for i in ids])
        with torch.no_grad():
            x = (model(input_ids=torch.tensor([ids]))[0][0].float() * w[:, None]).sum(0) / w.sum()
        worst = max(worst, (x - torch.tensor(s["vec"])).abs().max().item())
    check("shipped model: vectors", worst, 1e-5)


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
    compare_gradients(model, got)

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
    model.save_pretrained(ofile + ".theirs")
    _, theirs = AutoModel.from_pretrained(ofile + ".theirs", output_loading_info=True)
    check("keys left over in AutoModel are those of a folder of transformers' own",
          len(set(info["unexpected_keys"]) ^ set(theirs["unexpected_keys"])), 0)
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
    small = dict(vocab_size=97, hidden_size=60, num_hidden_layers=3, num_attention_heads=5,
                 intermediate_size=100, max_position_embeddings=80)
    compare_classifier(folder, exe, BertForSequenceClassification, 2, small, [1, 7, 33, 64, 20])
    compare_classifier(folder, exe, BertForTokenClassification, 5, small, [1, 7, 33, 64, 20])
    folders(folder)
    shipped(folder)
finish()
