# table.jq: paper.json as Markdown, figures of this run beside the paper's.

def methods: [
	["elm-ft", "BinBert-FT"], ["mlm-ft", "BinBert-MLM-FT"], ["fs-ft", "BinBert-FS"],
	["elm", "BinBert, not tuned"], ["mlm", "BinBert-MLM, not tuned"], ["fs", "untrained, not tuned"],
	["jaccard", "shared tokens (Jaccard)"], ["expressions", "shared strand expressions, weighted by rarity"]
];

# 0.943 as 94.3
def percent: . * 1000 | round | "\(. / 10 | floor).\(. % 10)";
def percents: if length then map(percent) | join(" / ") else "" end;
def row: "| " + join(" | ") + " |";
def head: row, (map("---") | row);
# The rows of an experiment as [title, row], in the order of the methods.
def of($experiment): . as $all | methods[] as [$m, $title] | $all[] |
	select(.experiment == $experiment and .method == $m) | [$title, .];
def pool: if .pool_min == null or .pool_min == .pool_max then "\(.pool)" else "\(.pool_min) to \(.pool_max)" end;

# The pool is the groups of the queries, each without the query.
def alike: ((.pool + 1) / .queries - 1) * 10 | round / 10;

# Precision, recall and nDCG at each k; the paper's below. The nDCG is the one bb-eval calls ndcg_cut: the
# paper's figures are higher than its formula (6) can give.
def ranking($experiment; $title; $paper; $ks):
	. as $all | ([of($experiment)][0][1].result // empty) as $first |
	"", "## \($title)", "",
	"Here \($first | pool) in the pool, \($first.queries) queries, \($first | alike) alike on average; the paper: \($paper).",
	"Precision / recall / nDCG in %.",
	"", (["method", ($ks[] | "top-\(.)")] | head),
	($all | of($experiment) | .[0] as $title | .[1] as $r |
		([$title, ($ks[] | [$r.result["precision@\(.)", "recall@\(.)", "ndcg_cut@\(.)"]] | percents)] | row),
		(select($r.published != {}) | ["– the paper’s", ($ks[] | $r.published["\(.)"] // [] | percents)] | row));

# Hits at 1 and MRR in drawn pools of several sizes.
def search($vary; $title; $sizes):
	. as $all |
	([$sizes[] | "\($vary)-\(.)" as $e | [$all | of($e)][0][1].result // empty] | select(length > 0)) as $firsts |
	"", "### \($title)", "", (["method", ($firsts[] | "pool of \(pool), \(.queries) queries")] | head),
	(methods[] as [$m, $name] |
		[$sizes[] as $n | $all[] | select(.experiment == "\($vary)-\($n)" and .method == $m) | .result |
			[.["hit@1"], .mrr] | percents] |
		select(length > 0) | [$name] + . | row);

# One number of each method, the paper's in brackets.
def beside($ours; $paper): if $ours == null then "" else ($ours | percent) +
	(if $paper == null then "" else " (\($paper | percent))" end) end;
def lookup($experiment; $method): [.[] | select(.experiment == $experiment and .method == $method)][0];
def accuracy($experiment; $method):
	lookup($experiment; $method) | beside(.result.accuracy; .published.accuracy[0]);
# The instructions of the strand are the positive class.
def positive($experiment; $method; $what; $at):
	lookup($experiment; $method) | beside(.result.class["1"][$what]; .published.positive[$at]);
# Mean and standard deviation over the runs.
def outlier($experiment; $method):
	lookup($experiment; $method) | if . == null then "" else (.result.runs | add / length) as $mean |
		beside($mean; .published.accuracy[0]) + " ± " +
		(.result.runs | (map(. - $mean | . * .) | add / length | sqrt * 10000 | round / 100 | tostring)) end;

def tasks:
	. as $all | ["elm-ft", "mlm-ft", "fs-ft"] as $m |
	"", "## What a fine-tuned model knows (Table 3)", "",
	"Accuracy in %, for strand recovery of the positive class; the paper's in brackets. The paper's test samples",
	"are of the projects that were tuned on, these are of other projects.", "",
	(["", "tested on", "BinBert-FT", "BinBert-MLM-FT", "BinBert-FS"] | head),
	(("compiler", "opt") as $what | ("strands", "blocks", "functions") as $s | "\($what)-\($s)" as $e |
		select($all | lookup($e; $m[0])) |
		["\({compiler: "compiler", opt: "optimisation level"}[$what]) of \($s)", ($all | lookup($e; $m[0]).result.records),
			($m[] as $x | $all | accuracy($e; $x))] | row),
	(["strand execution", ($all | lookup("execute"; $m[0]).result.records), ($m[] as $x | $all | accuracy("execute"; $x))] | row),
	((["precision", 0], ["recall", 1], ["f1", 2]) as [$what, $at] |
		["strand recovery, \($what)", ($all | lookup("recover"; $m[0]).result.records),
			($m[] as $x | $all | positive("recover"; $x; $what; $at))] | row);

def outliers:
	. as $all |
	"", "## Outliers among five instructions (Table 2)", "",
	"Accuracy in %, mean and standard deviation of \(lookup("opcode"; "elm").result.runs | length) runs of " +
		"\(lookup("opcode"; "elm").result.sets) sets; the paper's in brackets.", "",
	(["", "BinBert", "BinBert-MLM", "untrained"] | head),
	(("opcode", "operand") as $e | [$e, (("elm", "mlm", "fs") as $m | $all | outlier($e; $m))] | row);

"# The experiments of the BinBert paper",
outliers,
ranking("functions"; "Function similarity (Table 3)"; "3627, 267 and 14"; [5, 10, 25]),
ranking("blocks"; "Block similarity (Tables 2 and 3)"; "6460, 505 and 10"; [5, 10, 25]),
ranking("strands"; "Strand similarity (Tables 2 and 3)"; "49079, 833 and 59"; [10, 25, 40]),
tasks,
"", "## Function search in pools", "",
"Each query among one function of the same source and others, which vary like it. Hit@1 / MRR in %.",
search("level"; "The level varies, one compiler"; [100, 1000, 10000]),
search("compiler"; "The compiler varies, one level"; [100, 1000, 10000]),
search("both"; "Both vary"; [100, 1000, 10000])
