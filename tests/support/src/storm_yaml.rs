//! Random storm.yaml files in all forms that SnakeYAML knows, good and damaged.

mod damage;
mod flow;
mod scalars;

use crate::Random;
use damage::{damaged, with_latin_1_comments, with_line_breaks};

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
