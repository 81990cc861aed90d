//! Scalars of all styles.

use super::Writer;

impl Writer<'_> {
    pub(super) fn plain(&mut self) -> &'static str {
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

    pub(super) fn scalar(&mut self, indent: usize) {
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

    pub(super) fn block_scalar(&mut self, indent: usize) {
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
}
