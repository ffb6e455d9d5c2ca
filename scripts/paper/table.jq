# table.jq: paper.json as Markdown, figures of this run beside the paper's.

def methods: [
	["elm-ft", "BinBert-FT"], ["mlm-ft", "BinBert-MLM-FT"], ["fs-ft", "BinBert-FS"],
	["elm", "BinBert, not tuned"], ["mlm", "BinBert-MLM, not tuned"], ["fs", "untrained, not tuned"],
	["shapes-ft", "**beyond: model of the shapes of strand expressions**"],
	["jaccard", "no learning: equal tokens"], ["idf", "no learning: equal tokens, by rarity"],
	["computed", "no learning: equal strand expressions, by rarity"],
	["shapes", "no learning: equal shapes of strand expressions, by rarity"],
	["pieces", "no learning: equal tokens of these shapes, by rarity"]
];

# 0.943 as 94.3
def percent: if . == null then "–" else . * 1000 | round | "\(. / 10 | floor).\(. % 10)" end;
def percents: map(percent) | join(" / ");
def row: "| " + join(" | ") + " |";
def head: row, (map("---") | row);
def lookup($experiment; $method): first(.results[] | select(.experiment == $experiment and .method == $method)) // null;
# The rows of an experiment as [title, result and published figures], in the order of the methods.
def of($experiment): . as $all | methods[] as [$m, $title] | ($all | lookup($experiment; $m) | values) | [$title, .];
def pool: if .pool_min == null or .pool_min == .pool_max then "\(.pool)" else "\(.pool_min) to \(.pool_max)" end;

# ---- ranking: precision, recall and nDCG at each k; the paper's below ----

# The pool is the groups of the queries, each without the query.
def alike: ((.pool + 1) / .queries - 1) * 10 | round / 10;

# The nDCG is the one bb-eval calls ndcg_cut: the paper's figures are higher than its formula (6) can give.
def ranking($experiment; $title; $paper; $ks):
	. as $all | (first($all | of($experiment)) | .[1].result) as $first |
	"", "## \($title)", "",
	"Here \($first | pool) in the pool, \($first.queries) queries, \($first | alike) alike on average; the paper: \($paper).",
	"Precision / recall / nDCG in %.",
	"", (["method", ($ks[] | "top-\(.)")] | head),
	($all | of($experiment) | .[0] as $title | .[1] as $r |
		([$title, ($ks[] | [$r.result["precision@\(.)", "recall@\(.)", "ndcg_cut@\(.)"]] | percents)] | row),
		(select($r.published != {}) | ["– the paper’s", ($ks[] | $r.published["\(.)"] // [] | percents)] | row));

# ---- search: hits at 1 and MRR in drawn pools of several sizes ----

def search($vary; $title; $sizes):
	. as $all |
	([$sizes[] | "\($vary)-\(.)" as $e | first($all | of($e))[1].result | select(.queries > 0)]) as $firsts |
	select($firsts != []) |
	"", "### \($title)", "", (["method", ($firsts[] | "pool of \(pool), \(.queries) queries")] | head),
	(methods[] as [$m, $name] |
		[$sizes[] as $n | $all | lookup("\($vary)-\($n)"; $m) | values | .result | select(.queries > 0) | [.["hit@1"], .mrr] | percents] |
		select(length > 0) | [$name] + . | row);

# ---- tasks: one number of each method, the paper's in brackets ----

def beside($ours; $paper): if $ours == null then "" else ($ours | percent) +
	(if $paper == null then "" else " (\($paper | percent))" end) end;
def accuracy($experiment; $method):
	lookup($experiment; $method) | beside(.result.accuracy; .published.accuracy[0]);
# What a classifier that always says the most frequent class would reach.
def always($experiment; $method):
	lookup($experiment; $method).result | ([.class[].records] | max) / .records | percent;
# The instructions of the strand are the positive class.
def positive($experiment; $method; $what; $at):
	lookup($experiment; $method) | beside(.result.class["1"][$what]; .published.positive[$at]);
# Mean and standard deviation over the runs.
def outlier($experiment; $method):
	lookup($experiment; $method) | if . == null then "" else (.result.runs | add / length) as $mean |
		beside($mean; .published.accuracy[0]) + " ± " +
		(.result.runs | (map(. - $mean | . * .) | add / length | sqrt * 10000 | round / 100 | tostring)) end;

def tasks:
	. as $all | ["elm-ft", "mlm-ft", "fs-ft"] as $m | (first(.results[] | select(.experiment == "recover")).method) as $some |
	"", "## What a fine-tuned model knows (Table 3)", "",
	"Accuracy in %, for strand recovery of the positive class; the paper's in brackets. The paper's test samples",
	"are of the projects that were tuned on, these are of other projects.", "",
	(["", "tested on", "always the most frequent", "BinBert-FT", "BinBert-MLM-FT", "BinBert-FS"] | head),
	(("compiler", "opt") as $what | ("strands", "blocks", "functions") as $s | "\($what)-\($s)" as $e |
		["\({compiler: "compiler", opt: "optimisation level"}[$what]) of \($s)", ($all | lookup($e; $some).result.records),
			($all | always($e; $some)), ($m[] as $x | $all | accuracy($e; $x))] | row),
	(["strand execution", ($all | lookup("execute"; $some).result.records), ($all | always("execute"; $some)),
		($m[] as $x | $all | accuracy("execute"; $x))] | row),
	((["precision", 0], ["recall", 1], ["f1", 2]) as [$what, $at] |
		["strand recovery, \($what)", ($all | lookup("recover"; $some).result.records), "",
			($m[] as $x | $all | positive("recover"; $x; $what; $at))] | row);

def outliers:
	. as $all | (first(.results[] | select(.experiment == "opcode")).result) as $some |
	"", "## Outliers among five instructions (Table 2)", "",
	"Accuracy in %, mean and standard deviation of \($some.runs | length) runs of \($some.sets) sets; the paper's in brackets.", "",
	(["", "BinBert", "BinBert-MLM", "untrained"] | head),
	(("opcode", "operand") as $e | [$e, (("elm", "mlm", "fs") as $m | $all | outlier($e; $m))] | row);

# True classes down, predicted ones across, in % of the true class.
def confusion($what; $title):
	. as $all | (first($all.results[] | select(.experiment == "\($what)-functions")).result) as $r |
	($r.confusion | [keys[], (.[] | keys[])] | unique) as $classes |
	"", "\($title), by BinBert-FT; true class down, predicted across, in %.", "",
	([""] + $classes | head),
	($classes[] as $t | select($r.confusion[$t]) | ($r.confusion[$t] | add) as $sum |
		[$t, ($classes[] | ($r.confusion[$t][.] // 0) / $sum | percent)] | row);

# ---- time ----

def times:
	.times as $t |
	"", "## Time", "", "Processor time of all threads, as measured in this run.", "",
	(["what", "records", "milliseconds for each"] | head),
	($t | to_entries[] |
		["\({embed: "vector of a function", find: "search among all functions"}[.key | split("-")[0]]), \(.key | sub("^[a-z]*-"; ""))",
			.value.records, (.value.seconds / .value.records * 100000 | round / 100 | tostring)] | map(tostring) | row);

"# The experiments of the BinBert paper", "",
"Preset \(.preset), seed \(.seed). Model: \(.model.num_hidden_layers) layers of \(.model.hidden_size), vocabulary \(.model.vocab_size);",
"the paper’s has 12 of 768. Trained and tuned on \(.train | join(", ")); tested on \(.test | join(", ")),",
"each built as \(.cells | join(", ")). Texts on both sides: \(.overlap | add).",
outliers,
ranking("functions"; "Function similarity (Table 3)"; "3627, 267 and 14"; [5, 10, 25]),
ranking("blocks"; "Block similarity (Tables 2 and 3)"; "6460, 505 and 10"; [5, 10, 25]),
ranking("strands"; "Strand similarity (Tables 2 and 3)"; "49079, 833 and 59"; [10, 25, 40]),
tasks,
confusion("compiler"; "Compilers of functions"),
confusion("opt"; "Levels of functions"),
"", "## Search in pools", "",
"Each query among one function, or strand, that is alike and others that are not. Hit@1 / MRR in %.",
search("level"; "Functions: the level varies, one compiler"; [100, 1000, 10000]),
search("compiler"; "Functions: the compiler varies, one level"; [100, 1000, 10000]),
search("both"; "Functions: both vary"; [100, 1000, 10000]),
search("strands-long"; "Strands of five instructions and more, both vary"; [100, 1000, 10000]),
search("strands-short"; "Strands of fewer than five instructions, both vary"; [100, 1000, 10000]),
times
