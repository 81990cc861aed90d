use super::*;

/// The value that a reader of the whole file sees for `key`.
fn value(text: &str, key: &str) -> RawValue {
    let entries = read(text).unwrap().entries;
    entries
        .into_iter()
        .rev()
        .find(|entry| entry.name == key)
        .unwrap()
        .raw
}

fn text(text: &str) -> RawValue {
    RawValue::Text(text.to_owned())
}

#[test]
fn plain_scalars_are_yaml_1_1() {
    for (written, meant) in [
        ("6699", RawValue::Integer(6699)),
        ("+6_699", RawValue::Integer(6699)),
        ("-1", RawValue::Integer(-1)),
        ("0x1a2B", RawValue::Integer(6699)),
        ("015053", RawValue::Integer(6699)),
        ("0b11", RawValue::Integer(3)),
        ("1:51:39", RawValue::Integer(6699)),
        ("0", RawValue::Integer(0)),
        ("08", text("08")),
        ("0x+1", text("0x+1")),
        ("1:60", text("1:60")),
        ("1:_3", text("1:_3")),
        ("1:003", text("1:003")),
        ("0o17", text("0o17")),
        ("1:1:1:1:1:1:1:1", RawValue::Other("1:1:1:1:1:1:1:1".into())),
        ("0_17", RawValue::Integer(15)),
        ("6699.0", RawValue::Other("6699.0".into())),
        ("1e3", RawValue::Other("1e3".into())),
        ("2026-11-28", RawValue::Other("2026-11-28".into())),
        ("2026-11-8", text("2026-11-8")),
        (
            "!local 6699",
            RawValue::Other("a value with the tag !local".into()),
        ),
        ("! \"6699\"", RawValue::Integer(6699)),
        ("no", RawValue::Other("no".into())),
        ("~", RawValue::Null),
        ("", RawValue::Null),
        ("NONE", text("NONE")),
        ("\"6699\"", text("6699")),
        ("'6699'", text("6699")),
        ("!!int \"6699\"", RawValue::Integer(6699)),
        ("!!str 6699", text("6699")),
        ("6699 # comment", RawValue::Integer(6699)),
        ("[]", RawValue::List(vec![])),
        (
            "[1, a, ~, [b, c], {d: e}]",
            RawValue::List(vec![
                RawValue::Integer(1),
                text("a"),
                RawValue::Null,
                RawValue::Other("a list".into()),
                RawValue::Other("a mapping".into()),
            ]),
        ),
        ("{a: 1}", RawValue::Other("a mapping".into())),
        ("|-\n  x", text("x")),
    ] {
        assert_eq!(value(&format!("k: {written}\n"), "k"), meant, "{written}");
    }
    let huge = "9".repeat(50);
    assert_eq!(value(&format!("k: {huge}\n"), "k"), RawValue::Other(huge));
}

#[test]
fn anchors_aliases_and_merge_keys_mean_what_they_mean_to_storm() {
    let yaml = "\
base: &base {a: 1, b: 1, c: 1}
more: &more
  b: 2
  d: [x, {y: z}]
port: &port 6700
alias: *port
c: 3
<<: [*more, *base]
";
    assert_eq!(value(yaml, "alias"), RawValue::Integer(6700));
    assert_eq!(value(yaml, "a"), RawValue::Integer(1));
    assert_eq!(
        value(yaml, "b"),
        RawValue::Integer(2),
        "the first of a merge list wins"
    );
    assert_eq!(
        value(yaml, "c"),
        RawValue::Integer(3),
        "own keys win, wherever they stand"
    );
    assert_eq!(
        value(yaml, "d"),
        RawValue::List(vec![text("x"), RawValue::Other("a mapping".into())])
    );
}

#[test]
fn hostile_structure_is_harmless() {
    // An anchor that merges itself, an alias bomb, deep nesting, odd keys.
    assert_eq!(value("&a\n<<: *a\nk: 1\n", "k"), RawValue::Integer(1));
    // A list that merges itself, and lists that double at each level.
    for list in [
        "x: &a [*a]\n<<: *a\n",
        "x: &a [{y: 1}, *a, *a]\n<<: [*a, *a]\n",
    ] {
        assert_eq!(value(&format!("{list}k: 1\n"), "k"), RawValue::Integer(1));
    }
    let mut lists = "a0: &a0 [{k: 1}]\n".to_owned();
    for level in 1..60 {
        lists += &format!("a{level}: &a{level} [*a{0}, *a{0}]\n", level - 1);
    }
    assert_eq!(value(&(lists + "<<: *a59\n"), "k"), RawValue::Integer(1));
    let mut bomb = "a0: &a0 [x, x]\n".to_owned();
    for level in 1..60 {
        bomb += &format!("a{level}: &a{level} [*a{0}, *a{0}]\n", level - 1);
    }
    assert_eq!(read(&bomb).unwrap().entries.len(), 60);
    let mut bomb = "a0: &a0 {k: v}\n".to_owned();
    for level in 1..10 {
        let again = format!("*a{}, ", level - 1).repeat(16);
        bomb += &format!("a{level}: &a{level} {{<<: [{again}]}}\n");
    }
    bomb += "<<: *a9\n";
    assert_eq!(value(&bomb, "k"), text("v"));
    let deep = format!("k: {}{}\nz: 1\n", "[".repeat(200), "]".repeat(200));
    assert_eq!(value(&deep, "z"), RawValue::Integer(1));
    assert_eq!(
        value("? [a, b]\n: x\n? {c: d}\n: y\nk: 1\n", "k"),
        RawValue::Integer(1)
    );
}

#[test]
fn the_last_of_duplicate_keys_wins() {
    assert_eq!(
        value("k: 1\nother: {k: 5}\nk: 2\n", "k"),
        RawValue::Integer(2)
    );
}

#[test]
fn empty_files_and_files_of_other_shapes() {
    for empty in [
        "",
        "\n",
        "# only a comment\n",
        "---\n",
        "---\n...\n",
        "~\n",
        "\u{feff}",
    ] {
        assert_eq!(read(empty), Ok(TopLevel::default()), "{empty:?}");
    }
    assert_eq!(value("\u{feff}k: 1\r\n", "k"), RawValue::Integer(1));
    assert_eq!(value("%YAML 1.1\n---\nk: 1\n", "k"), RawValue::Integer(1));
    let list = read("# a list\n- a\n").unwrap_err();
    assert_eq!((list.line, list.column), (2, 1));
    let second = read("k: 1\n---\n# no\nk: 2\n").unwrap();
    assert_eq!(second.entries.len(), 1);
    assert_eq!(second.damages[0].error.line, 2);
    assert_eq!(second.damages[0].left_out, "---\nk: 2\n");
}

#[test]
fn a_fault_costs_the_key_that_it_belongs_to() {
    for fault in [
        "x: [1, 2",
        "x: {a: b",
        "x: \"open",
        "x: 'open\nz: don't",
        "x: @home",
        "x: y: z",
        "x:\n  - a\n b: c",
        "x: y\n  z: 1",
        "x: \"\\q\"",
        "x: |0\n  text",
        "x: !undefined!tag y",
        "x: \"a\"b",
        "x: [a]]",
        "\tx: y",
        "x",
        "x: &",
    ] {
        let file = format!("a: 1\nb: [1,\n2]\n{fault}\nc: \"3\n4\"\n# end\nd: *e\n");
        let found = read(&file).unwrap();
        let names: Vec<&str> = found.entries.iter().map(|entry| &*entry.name).collect();
        assert!(names.ends_with(&["c", "d"]), "{fault}: {names:?}");
        assert_eq!(found.entries.last().unwrap().line, file.lines().count());
        assert!(!found.damages.is_empty(), "{fault}");
        for damage in &found.damages {
            assert!((2..=7).contains(&damage.error.line), "{fault}: {damage:?}");
        }
        assert!(
            found
                .damages
                .iter()
                .any(|damage| damage.left_out.contains('x'))
        );
    }
    let deep = format!("k: {}{}\nz: 1\n", "[".repeat(200), "]".repeat(200));
    assert_eq!(read(&deep).unwrap().damages.len(), 1);
    let only = read("{k: 1, x: [}\n").unwrap();
    assert_eq!((only.entries.len(), only.damages.len()), (0, 1));
    let merged = read("<<: *nothing\nk: 1\n").unwrap_err();
    assert_eq!((merged.line, merged.column), (1, 5));
    let faults = "x: [\n".repeat(1000);
    assert!(read(&faults).is_err());
}
