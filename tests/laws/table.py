"""table.py: how each filter is used, for the laws. A filter without an entry fails the tests.

USES[filter] is a list of uses. {fix} in arguments is the folder of tests/fixture.py.

    args     options of the use
    reads    record kind on stdin, "any", or "elf" for ELF files as operands
    input    a valid input, a file of the fixture
    parts    two more of them, for f(a);f(b) = f(a b)
    writes   record kind, "same" as the input, "text", or "folder" (named by -o)
    each     every record, or ELF file, is worked on by itself: L9 holds
    whole    the input is read to its end, so that a cut is seen
    empty    what a valid empty stream becomes: "empty" stream, "text", or "error"
    members  a member of the input becomes one of the output, so L9 holds byte for byte
"""
from dataclasses import dataclass


@dataclass
class Use:
    name: str
    args: list
    reads: str
    input: str
    parts: tuple = ()
    writes: str = "text"
    each: bool = False
    whole: bool = True
    empty: str = "empty"
    members: bool = True


def stream(name, args, reads, stem, writes, each=True, **more):
    return Use(name, args, reads, stem + ".bb", (stem + ".a.bb", stem + ".b.bb"), writes, each, **more)


ELF = dict(reads="elf", input="elf/O0/lists.so", parts=("elf/O3/bits.so", "elf/O0/words.so"))

# Kinds a filter takes whatever the use is.
ALSO_READS = {
    "bb-eval": ("match", "prediction"),
    "bb-join": ("embedding", "sequence"),
    "bb-knn": ("embedding", "sequence", "tokens"),
}

USES = {
    "bb-cat": [
        stream("copy", [], "any", "functions", "same"),
        stream("tokens", [], "any", "tokens", "same"),
        Use("head", ["-n", "3"], "any", "functions.bb", writes="same", whole=False),
        Use("count", ["-c"], "any", "functions.bb", empty="text"),
        Use("json", ["-j"], "any", "sym.bb", empty="text"),
        Use("text", ["-t"], "any", "functions.bb", empty="text"),
        Use("header", ["-H"], "any", "functions.bb", empty="text"),
    ],
    "bb-disasm": [
        Use("plain", [], writes="function", each=True, **ELF),
        Use("labels", ["-l", "a=b", "--label-path", "{opt}/{file}"], writes="function", each=True, **ELF),
        Use("stripped", ["--ignore-symbols"], writes="function", each=True, **ELF),
    ],
    "bb-strands": [
        stream("strand", [], "function", "functions", "sequence"),
        stream("block", ["-u", "block"], "function", "functions", "sequence"),
        stream("function", ["-u", "function", "--group", "{file}:{name}"], "function", "functions", "sequence"),
    ],
    "bb-sym": [
        stream("strand", [], "sequence", "strands", "sequence"),
        stream("eval", ["--eval", "rdi=5,rsp=4096,*4104=7"], "sequence", "strands", "sequence"),
        stream("prove", ["--prove"], "sequence", "strands", "sequence", each=False),
    ],
    "bb-trace": [
        stream("runs", ["-n", "2", "-s", "5"], "sequence", "fseq", "sequence"),
        stream("strands", [], "sequence", "strands", "sequence"),
    ],
    "bb-quiz": [
        stream("execute", ["-k", "execute", "-s", "3"], "sequence", "strands", "sequence"),
        stream("recover", ["-k", "recover", "--strands", "2"], "sequence", "blocks", "sequence"),
        stream("operand", ["-k", "operand", "--sets", "50"], "sequence", "blocks", "sequence", each=False),
    ],
    "bb-odd": [
        stream("odd", [], "embedding", "semb", "prediction", each=False),
    ],
    "bb-join": [
        stream("functions", [], "sequence", "sym", "sequence"),
        stream("shapes", ["--shape"], "sequence", "sym", "sequence"),
        stream("blocks", ["-u", "block"], "embedding", "emb", "embedding"),
    ],
    "bb-uniq": [
        stream("strand", [], "any", "sym", "same", each=False),
        stream("function", [], "any", "functions", "same", each=False),
    ],
    "bb-vocab": [
        Use("vocab", ["-n", "300"], "sequence", "sym.bb", empty="text"),
        Use("traced", ["-n", "300"], "sequence", "traced.bb", writes="folder", empty="text"),
    ],
    "bb-tok": [
        stream("strand", ["-m", "{fix}/vocab"], "sequence", "sym", "tokens"),
        stream("function", ["-m", "{fix}/vocab", "-L", "64"], "sequence", "fseq", "tokens"),
        Use("words", ["--text", "words"], "sequence", "sym.bb", empty="text"),
        stream("traced", ["-m", "{fix}/tvocab", "-L", "64"], "sequence", "traced", "tokens"),
        stream("untraced", ["-m", "{fix}/tvocab"], "sequence", "fseq", "tokens"),
        Use("values", ["--text", "values"], "sequence", "traced.bb", empty="text"),
    ],
    "bb-train": [
        Use("elm", ["--vocab", "{fix}/vocab", "--config", "layers=1,hidden=16,heads=2,intermediate=32,max_len=128",
                    "--steps", "3", "--batch-tokens", "512"], "tokens", "tokens.bb", writes="folder", empty="error"),
        Use("trex", ["--task", "trex", "--vocab", "{fix}/tvocab", "--config",
                     "layers=1,hidden=16,heads=2,intermediate=32,max_len=128", "--steps", "3", "--batch-tokens", "512"],
            "tokens", "ttok.bb", writes="folder", empty="error"),
        Use("cosine", ["--task", "similarity", "--loss", "cosine", "--init", "{fix}/trex", "--steps", "2", "--valid", "0",
                       "--batch-tokens", "512"], "tokens", "ctok.bb", writes="folder", empty="error"),
        Use("similarity", ["--task", "similarity", "--init", "{fix}/model", "--steps", "2", "--batch-tokens", "512"],
            "tokens", "ftok.bb", writes="folder", empty="error"),
        Use("classify", ["--task", "classify", "-l", "opt", "--init", "{fix}/model", "--steps", "2", "--batch-tokens",
                         "512"], "tokens", "ftok.bb", writes="folder", empty="error"),
        Use("recover", ["--task", "recover", "--init", "{fix}/model", "--steps", "2", "--batch-tokens", "512"],
            "tokens", "rtok.bb", writes="folder", empty="error"),
    ],
    "bb-embed": [
        stream("embed", ["-m", "{fix}/model"], "tokens", "ftok", "embedding", members=False),
        stream("tuned", ["-m", "{fix}/tuned"], "tokens", "ctok", "embedding", members=False),
        stream("trex", ["-m", "{fix}/trex"], "tokens", "ttok", "embedding", members=False),
        stream("layer", ["-m", "{fix}/model", "-l", "-2", "--code-only"], "tokens", "ftok", "embedding", members=False),
        stream("predict", ["-m", "{fix}/opt", "--predict"], "tokens", "ftok", "prediction", members=False),
        stream("recover", ["-m", "{fix}/recover", "--predict"], "tokens", "rtok", "prediction", members=False),
    ],
    "bb-knn": [
        stream("search", ["-c", "{fix}/emb.bb", "-k", "3"], "embedding", "emb", "match"),
        stream("pool", ["-c", "{fix}/emb.bb", "--pool", "5", "-s", "7"], "embedding", "emb", "match"),
        stream("jaccard", ["-c", "{fix}/ftok.bb", "-m", "jaccard"], "tokens", "ftok", "match"),
        stream("idf", ["-c", "{fix}/sym.bb", "-m", "idf", "-k", "3"], "sequence", "sym", "match"),
    ],
    "bb-diff": [
        Use("changes", ["--from", "{fix}/shapes.a.bb", "-a"], "sequence", "shapes.bb", empty="text"),
        Use("json", ["--from", "{fix}/shapes.b.bb", "-j"], "sequence", "shapes.bb", empty="text"),
        Use("in", ["--from", "{fix}/shapes.a.bb", "--in", "{fix}/shapes.b.bb"], "sequence", "shapes.bb", empty="text"),
    ],
    "bb-eval": [
        Use("table", [], "match", "match.bb", empty="text"),
        Use("json", ["-j", "-k", "1,3"], "match", "match.bb", empty="text"),
    ],
}
