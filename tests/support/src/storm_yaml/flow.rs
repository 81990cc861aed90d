//! Lists and mappings in brackets.

use super::{OURS, Writer};

impl Writer<'_> {
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

    pub(super) fn flow_sequence(&mut self, depth: usize) {
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

    pub(super) fn flow_mapping(&mut self, depth: usize, is_root: bool) {
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
}
