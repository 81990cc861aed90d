//! Random storm.yaml files in all forms that SnakeYAML knows, good and damaged.

use crate::Random;

/// Keys of ours, whose values must be read exactly.
pub const OURS: [&str; 7] = [
    "pacemaker.port",
    "pacemaker.auth.method",
    "pacemaker.max.threads",
    "pacemaker.thrift.message.size.max",
    "pacemaker.childopts",
    "java.security.auth.login.config",
    "nimbus.daemon.user",
];

const FOREIGN: [&str; 8] = [
    "storm.zookeeper.servers",
    "nimbus.seeds",
    "worker.childopts",
    "storm.group.mapping.service.params",
    "supervisor.slots.ports",
    "topology.stats.sample.rate",
    "ui.users",
    "storm.local.dir",
];

/// One file. About a fifth of them are not what Storm's reader takes.
pub fn any_file(random: &mut Random) -> Vec<u8> {
    let is_odd = random.one_in(3);
    let mut file = Writer {
        random,
        is_odd,
        text: String::new(),
        anchors: Vec::new(),
        collections: Vec::new(),
    };
    file.document();
    let text = std::mem::take(&mut file.text);
    let text = if is_odd { damaged(random, text) } else { text };
    let bytes = with_line_breaks(random, &text).into_bytes();
    with_latin_1_comments(random, bytes)
}

struct Writer<'random> {
    random: &'random mut Random,
    /// Whether to write what Storm's reader may refuse.
    is_odd: bool,
    text: String,
    /// Of scalars.
    anchors: Vec<String>,
    /// Of mappings.
    collections: Vec<String>,
}

impl Writer<'_> {
    fn document(&mut self) {
        if self.random.one_in(20) {
            self.text.push('\u{feff}');
        }
        if self.random.one_in(15) {
            let directive = self.pick_or_odd(
                &["%YAML 1.1\n", "%TAG !e! tag:example.org,2000:\n"],
                &["%X y\n"],
            );
            self.text.push_str(directive);
            self.text.push_str("---\n");
        } else if self.random.one_in(8) {
            let start = self.pick(&["---\n", "--- # storm\n", "---  \n"]);
            self.text.push_str(start);
        }
        if self.random.one_in(20) {
            self.flow_mapping(1, true);
            self.text.push('\n');
        } else {
            let indent = if self.random.one_in(10) { 2 } else { 0 };
            let keys = 2 + self.random.below(7);
            for _ in 0..keys {
                self.filler(indent);
                self.entry(indent, 0, true);
            }
        }
        if self.random.one_in(15) {
            let end = self.pick_or_odd(
                &["...\n", "... # end\n", "...\n...\n"],
                &["---\n", "---\nx: 1\n"],
            );
            self.text.push_str(end);
        }
        if self.random.one_in(10) {
            while self.text.ends_with('\n') {
                self.text.pop();
            }
        }
    }

    /// Comments and empty lines.
    fn filler(&mut self, indent: usize) {
        if self.random.one_in(3) {
            let comment = self.pick(&[
                "#",
                "# plain",
                "########### Nimbus: [x",
                "# \"open 'quote",
                "# g\u{e9}r\u{e9} par puppet",
                "",
                "   ",
                "#\ttab",
            ]);
            let at = self.random.below(3) * indent;
            self.text.push_str(&" ".repeat(at));
            self.text.push_str(comment);
            self.text.push('\n');
        }
    }

    /// A key, its value and a line break.
    fn entry(&mut self, indent: usize, depth: usize, is_root: bool) {
        self.text.push_str(&" ".repeat(indent));
        if !self.collections.is_empty() && self.random.one_in(12) {
            self.merge();
            return;
        }
        let name = if !is_root && !self.random.one_in(10) {
            self.pick(&["a", "b", "c c", "d.e", "1", "true", "~", "f-g"])
        } else if self.random.one_in(3) {
            self.pick(&FOREIGN)
        } else {
            self.pick(&OURS)
        };
        let key = match self.random.below(14) {
            0 => format!("'{name}'"),
            1 => format!("\"{name}\""),
            2 => format!("!!str {name}"),
            3 => format!("{name} "),
            4 => {
                let anchor = self.anchor();
                format!("&{anchor} {name}")
            }
            5 => format!("? {name}\n{}", " ".repeat(indent)),
            _ => name.to_owned(),
        };
        self.text.push_str(&key);
        self.text.push(':');
        self.value(indent, depth);
        if !self.text.ends_with('\n') {
            let end = self.pick_or_odd(
                &["\n", "\n", "\n", "\n", " # comment\n", "  \n"],
                &["\t# tab\n"],
            );
            self.text.push_str(end);
        }
    }

    fn merge(&mut self) {
        let one = self.collections[self.random.below(self.collections.len())].clone();
        let two = self.collections[self.random.below(self.collections.len())].clone();
        let text = match self.random.below(4) {
            0 => format!("<<: [*{one}, *{two}]\n"),
            1 => format!("<<: [*{one}, {{nimbus.daemon.user: merged}}]\n"),
            _ => format!("<<: *{one}\n"),
        };
        self.text.push_str(&text);
    }

    /// What stands behind the colon.
    fn value(&mut self, indent: usize, depth: usize) {
        let choice = self.random.below(24);
        if choice > 0 && !self.text.ends_with(' ') || self.random.one_in(8) {
            let blank = self.pick_or_odd(&[" ", " ", " ", "  "], &[" \t"]);
            self.text.push_str(blank);
        }
        let mut anchored = None;
        if self.random.one_in(8) {
            let anchor = self.anchor();
            self.text.push_str(&format!("&{anchor} "));
            anchored = Some(anchor);
        } else if self.random.one_in(25) {
            let tag = self.pick_or_odd(
                &["!!str ", "! ", "!<tag:yaml.org,2002:str> ", "!!null "],
                &["!!int ", "!!float ", "!local ", "!e!x "],
            );
            self.text.push_str(tag);
        }
        let is_mapping = match choice {
            0 => false,
            1..=8 => {
                self.scalar(indent);
                false
            }
            9 if !self.anchors.is_empty() => {
                let anchor = self.anchors[self.random.below(self.anchors.len())].clone();
                self.text.push_str(&format!("*{anchor}"));
                false
            }
            9..=11 => {
                self.block_scalar(indent);
                false
            }
            12..=15 => {
                self.flow_sequence(depth + 1);
                false
            }
            16..=18 => {
                self.flow_mapping(depth + 1, false);
                true
            }
            19 | 20 if depth < 3 => {
                self.block_sequence(indent, depth + 1);
                false
            }
            21..=23 if depth < 3 => {
                self.text.push('\n');
                let inner = indent + 1 + self.random.below(4);
                for _ in 0..=self.random.below(3) {
                    self.filler(inner);
                    self.entry(inner, depth + 1, false);
                }
                true
            }
            _ => {
                self.scalar(indent);
                false
            }
        };
        if let Some(anchor) = anchored {
            if is_mapping {
                self.collections.push(anchor);
            } else {
                self.anchors.push(anchor);
            }
        }
    }

    fn anchor(&mut self) -> String {
        let name = self.pick(&["a", "b", "base", "x-1", "\u{e9}", "Q_"]);
        name.to_owned()
    }

    fn plain(&mut self) -> &'static str {
        self.pick_or_odd(
            &[
                "6699",
                "+6_699",
                "-1",
                "0x1a2B",
                "015053",
                "0b1_1",
                "1:51:39",
                "1:60",
                "08",
                "0",
                "00",
                "0o17",
                "0x_f",
                "1__0",
                "_1",
                "1_",
                "99999999999",
                "0b2",
                "-0x1F",
                "+0_7",
                "1:1:1:1",
                "6699.0",
                "1e3",
                "1e+3",
                "1.e3",
                "1E-3.5",
                ".5",
                "-.5",
                "5.",
                "1_0.0_1",
                "1:30.5",
                ".inf",
                "-.INF",
                ".NaN",
                "+.nan",
                "e5",
                "1.5.2",
                "yes",
                "NO",
                "on",
                "Off",
                "True",
                "y",
                "n",
                "nO",
                "~",
                "null",
                "Null",
                "nULL",
                "2026-11-28",
                "2026-1-2",
                "2026-11-28T20:15:00Z",
                "2026-11-28 20:15:00.5 +1:00",
                "2026-11-28t2:15:00",
                "2026-11-28 20:15",
                "20:15:00",
                "NONE",
                "DIGEST",
                "KERBEROS",
                "storm",
                "/etc/storm/jaas.conf",
                "a b",
                "a  b",
                "a\tb",
                "-Xmx1g -Da=b",
                "http://x:1/y?z=1",
                "a:b",
                "a#b",
                "-a",
                "?a",
                ":a",
                "a'b\"",
                "x, y",
                "a]",
                "\u{e4}\u{20ac}",
                "\u{1f600}",
                "%HEAP-MEM%m",
                "a %b",
                "org.apache.storm.X",
                "...",
                "a...",
                "---",
            ],
            &[
                "._5", "=", "<<", "@x", "`x", "%x", "!x", "- a", "*", "&", "|x", ">x", "{", "'",
                "\"", "[x",
            ],
        )
    }

    fn scalar(&mut self, indent: usize) {
        let more = " ".repeat(indent + 1);
        match self.random.below(12) {
            0..=5 => {
                let text = self.plain();
                self.text.push_str(text);
            }
            6 => {
                // Over several lines.
                let parts = [self.plain(), self.plain()];
                let between = self.pick_or_odd(&["\n", "\n\n", " \n", "\n \n"], &["\n # no\n"]);
                self.text
                    .push_str(&format!("{}{between}{more}{}", parts[0], parts[1]));
            }
            7 | 8 => {
                let text = self.pick(&[
                    "''",
                    "'x'",
                    "'6699'",
                    "'a''b'",
                    "'a\n  b'",
                    "'a\n\nb'",
                    "'a \n b'",
                    "'a\\n'",
                    "'# no'",
                    "'a: b'",
                    "'-Xmx1g\n-Dfoo: bar'",
                    "' a '",
                    "'a\n\n\n  b\t\n c'",
                    "'\u{e4}'",
                ]);
                self.text.push_str(text);
            }
            _ => {
                let text = self.pick_or_odd(
                    &[
                        "\"\"",
                        "\"x\"",
                        "\"6699\"",
                        "\"a\\\"b\"",
                        "\"a\nb\"",
                        "\"a\n\n  b\"",
                        "\"a \\\n   b\"",
                        "\"\\x41\\u00e4\\U0001F600\"",
                        "\"\\0\\a\\b\\t\\n\\v\\f\\r\\e\\ \\_\\N\\L\\P\\\\\"",
                        "\"# no\"",
                        "\"a: b\"",
                        "\"-Xmx1g\n-Dfoo=bar\"",
                        "\"-Xmx1g\npacemaker.port: 1\"",
                        "\" a \"",
                        "\"a\tb\"",
                        "\"a\n\tb\"",
                        "\"DIGEST\"",
                        "\"a\\\n\"",
                    ],
                    &["\"\\/\"", "\"\\q\"", "\"\\x4\"", "\"open"],
                );
                self.text.push_str(text);
            }
        }
    }

    fn block_scalar(&mut self, indent: usize) {
        let header = self.pick_or_odd(
            &["|", ">", "|-", ">-", "|+", ">+", "| # comment", ">  "],
            &["|2", ">1-", "|+1", "|9", "|0", "|x"],
        );
        self.text.push_str(header);
        self.text.push('\n');
        let inner = " ".repeat(indent + 1 + self.random.below(3));
        for _ in 0..self.random.below(5) {
            let line = self.pick_or_odd(
                &[
                    "text",
                    "more text",
                    "",
                    "  deeper",
                    "# no comment",
                    "key: value",
                    "trailing ",
                    "\u{e4}",
                    "- x",
                    "\"quoted\"",
                    " ",
                ],
                &["\ttab"],
            );
            self.text.push_str(&format!("{inner}{line}\n"));
        }
        if self.random.one_in(4) {
            self.text.push_str("\n\n");
        }
    }

    /// What may stand between the parts of a flow collection.
    fn gap(&mut self) {
        let gap = self.pick_or_odd(
            &[
                "",
                "",
                "",
                " ",
                " ",
                "\n",
                "\n  ",
                "  \n ",
                " # c\n",
                "\n# c ] }\n",
                "\n\n",
            ],
            &["\t", "\n\t"],
        );
        self.text.push_str(gap);
    }

    fn flow_sequence(&mut self, depth: usize) {
        self.text.push('[');
        let items = self.random.below(4);
        for item in 0..items {
            self.gap();
            if self.random.one_in(8) {
                let text = self.pick_or_odd(
                    &["a: b", "? a", "? a : b", "a:", "\"a\":b"],
                    &[": b", "a:b"],
                );
                self.text.push_str(text);
            } else {
                self.flow_node(depth);
            }
            self.gap();
            if item + 1 < items || self.random.one_in(4) {
                self.text.push(',');
            }
        }
        self.gap();
        self.text.push(']');
    }

    fn flow_mapping(&mut self, depth: usize, is_root: bool) {
        self.text.push('{');
        let items = self.random.below(4) + usize::from(is_root);
        for item in 0..items {
            self.gap();
            let key = if is_root || self.random.one_in(3) {
                self.pick(&OURS)
            } else {
                self.pick(&["a", "\"b\"", "'c'", "d e", "? f", "1"])
            };
            self.text.push_str(key);
            let colon = self.pick_or_odd(&[": ", ": ", ": ", ":", " : ", "", ":\n"], &[":\t"]);
            self.text.push_str(colon);
            if !self.random.one_in(8) && !colon.is_empty() {
                self.flow_node(depth);
            }
            self.gap();
            if item + 1 < items || self.random.one_in(4) {
                self.text.push(',');
            }
        }
        self.gap();
        self.text.push('}');
    }

    fn flow_node(&mut self, depth: usize) {
        match self.random.below(10) {
            0 if depth < 4 => self.flow_sequence(depth + 1),
            1 if depth < 4 => self.flow_mapping(depth + 1, false),
            2 => self.scalar(0),
            3 if !self.anchors.is_empty() => {
                let anchor = self.anchors[self.random.below(self.anchors.len())].clone();
                self.text.push_str(&format!("*{anchor} "));
            }
            4 => {
                let anchor = self.anchor();
                let text = self.plain();
                self.text.push_str(&format!("&{anchor} {text}"));
                self.anchors.push(anchor);
            }
            _ => {
                let text = self.pick_or_odd(
                    &[
                        "x",
                        "1",
                        "\"zk1\"",
                        "'zk 2'",
                        "a b",
                        "~",
                        "http://h:1",
                        "a\n  b",
                        "0x1f",
                        "yes",
                        "\"a\nb\"",
                        "zk1.example.org",
                        "-1",
                        "-x",
                        "a-b",
                    ],
                    &["a?b"],
                );
                self.text.push_str(text);
            }
        }
    }

    fn block_sequence(&mut self, indent: usize, depth: usize) {
        self.text.push('\n');
        let inner = indent + self.random.below(3);
        for _ in 0..=self.random.below(3) {
            self.filler(inner);
            self.text.push_str(&" ".repeat(inner));
            self.text.push('-');
            match self.random.below(6) {
                0 => {
                    let text = self.pick_or_odd(
                        &["", " a: 1", " - x", " ? a", " &b x", " # c", "- x"],
                        &["\tx"],
                    );
                    self.text.push_str(text);
                }
                1 => self.value(inner, depth),
                _ => {
                    self.text.push(' ');
                    self.scalar(inner);
                }
            }
            if !self.text.ends_with('\n') {
                self.text.push('\n');
            }
        }
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.random.below(from.len())]
    }

    /// One of `good`; in odd files also one of `odd`.
    fn pick_or_odd<T: Copy>(&mut self, good: &[T], odd: &[T]) -> T {
        if self.is_odd && self.random.one_in(8) {
            self.pick(odd)
        } else {
            self.pick(good)
        }
    }
}

/// Some files get pieces put in or taken out.
fn damaged(random: &mut Random, text: String) -> String {
    const PIECES: [&str; 30] = [
        "\"", "'", "#", ": ", ":", "- ", "? ", "[", "]", "{", "}", ",", "&a ", "*a", "!", "!!str ",
        "|\n", ">\n", "%", "\n", "\n\n", " ", "  ", "\t", "---\n", "...\n", "<<: *a\n", "\u{feff}",
        "\\", "\u{7}",
    ];
    if random.one_in(3) {
        return text;
    }
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=random.below(3) {
        let at = random.below(chars.len() + 1);
        let taken = random.below(3).min(chars.len() - at);
        let piece = PIECES[random.below(PIECES.len())];
        chars.splice(at..at + taken, piece.chars());
    }
    chars.into_iter().collect()
}

fn with_line_breaks(random: &mut Random, text: &str) -> String {
    match random.below(12) {
        0 | 1 => text.replace('\n', "\r\n"),
        2 => text.replace('\n', "\r"),
        3 => {
            let breaks = ["\n", "\r\n", "\r", "\u{85}", "\u{2028}", "\u{2029}"];
            let mut mixed = String::new();
            for char in text.chars() {
                if char == '\n' {
                    mixed.push_str(breaks[random.below(breaks.len()).min(random.below(7))]);
                } else {
                    mixed.push(char);
                }
            }
            mixed
        }
        _ => text.to_owned(),
    }
}

/// Umlauts and accents of some files are in the encoding that their editors used.
fn with_latin_1_comments(random: &mut Random, bytes: Vec<u8>) -> Vec<u8> {
    if !random.one_in(8) {
        return bytes;
    }
    let mut result = Vec::with_capacity(bytes.len());
    let mut is_comment = false;
    for byte in bytes {
        match byte {
            b'#' => is_comment = true,
            b'\n' => is_comment = false,
            _ => {}
        }
        if byte == 0xc3 && is_comment {
            continue;
        }
        result.push(byte);
    }
    result
}
