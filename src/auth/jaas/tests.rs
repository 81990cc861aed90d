//! What JAAS files mean, and the messages about wrong ones. `tests/daemon/jaas_cross_check.rs` holds the grammar
//! against Java's own reader.

use support::jaas::MANUAL_SERVER;

use super::*;

/// The manual's example, with its white space.
const MANUAL_DIGEST: &str = r#"PacemakerDigest {
    username="some username"
    password="some password";
};
"#;
fn properties() -> Properties {
    [("cluster", "blue"), ("nothing", "")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

fn read(text: &str) -> Result<JaasFile, String> {
    parse("jaas.conf", text, &properties()).map_err(|problem| problem.to_string())
}

/// Whether a message names the file, the place in it (if it is about one), and these facts.
#[track_caller]
fn assert_says(error: &str, place: &str, facts: &[&str]) {
    let place = if place.is_empty() {
        "jaas.conf".to_owned()
    } else {
        format!("jaas.conf:{place}")
    };
    support::says::assert_says(error, &place, facts);
}

/// The value of `v` in `S { m required v=VALUE; };`.
fn value(written: &str) -> Result<String, String> {
    let file = read(&format!("S {{ m required v={written}; }};"))?;
    Ok(file.value("S", "v").unwrap().reveal().to_owned())
}

#[test]
fn the_manuals_examples_are_understood() {
    let both = format!("{MANUAL_SERVER}{MANUAL_DIGEST}");
    let file = read(&both).unwrap();
    let credentials = digest(&file).unwrap();
    assert!(credentials.are_of("some username", "some password"));
    assert_eq!(
        server(&file).unwrap(),
        ServerSection {
            keytab: "/etc/keytabs/pacemaker.keytab".into(),
            principal: "pacemaker@MY.COMPANY.COM".into(),
            ignored: vec!["useKeyTab", "storeKey", "useTicketCache"],
        }
    );
}

#[test]
fn a_keytab_may_name_its_type() {
    for (written, path) in [
        ("/a/b", "/a/b"),
        ("FILE:/a/b", "/a/b"),
        ("file:b", "b"),
        ("a", "a"),
        ("WRFILE:/a", "WRFILE:/a"),
        ("äöü", "äöü"),
    ] {
        let text = format!("PacemakerServer {{ keyTab=\"{written}\" principal=p; }};");
        let section = server(&read(&text).unwrap()).unwrap();
        assert_eq!(section.keytab.to_str(), Some(path));
    }
}

#[test]
fn a_message_about_a_missing_section_lists_the_others() {
    for (text, others) in [
        ("", &["no sections"][..]),
        (
            "PacemakerServer { m required; }; pacemakerdigest {}; \"quoted\" {};",
            &[
                "PacemakerServer",
                "\"pacemakerdigest\" (empty)",
                "name is in quotes",
            ],
        ),
        // Java treats an empty section as missing.
        ("PacemakerDigest { };", &["PacemakerDigest (empty)"]),
        (
            "\u{feff}PacemakerDigest { m required; };",
            &["\"\\u{feff}PacemakerDigest\""],
        ),
    ] {
        let error = digest(&read(text).unwrap()).unwrap_err().to_string();
        assert_says(&error, "", &["section PacemakerDigest is missing"]);
        assert_says(&error, "", others);
    }
}

#[test]
fn options_that_are_missing_or_empty_are_named() {
    for (options, fact) in [
        ("username=u", "no password"),
        ("password=p", "no username"),
        ("username=u password=\"\"", "empty password"),
        ("username=\"\" password=p", "empty username"),
        ("Username=u Password=p", "no username"),
    ] {
        let text = format!("\n  PacemakerDigest {{ m required {options}; }};");
        let error = digest(&read(&text).unwrap()).unwrap_err().to_string();
        assert_says(&error, "2:3", &["section PacemakerDigest", fact]);
    }
    for (options, facts) in [
        (
            "useTicketCache=true principal=p",
            &["no keyTab", "not from a ticket cache"][..],
        ),
        ("keyTab=k", &["no principal"]),
    ] {
        let text = format!("PacemakerServer {{ m required {options}; }};");
        let error = server(&read(&text).unwrap()).unwrap_err().to_string();
        assert_says(&error, "1:1", &["section PacemakerServer"]);
        assert_says(&error, "1:1", facts);
    }
}

#[test]
fn the_first_module_that_has_an_option_gives_it() {
    let text = "PacemakerDigest { a required x=y; b optional username=u1 username=u2;
                c required username=u3 password=p; };";
    let credentials = digest(&read(text).unwrap()).unwrap();
    assert!(credentials.are_of("u2", "p"));
}

#[test]
fn properties_are_expanded_as_java_does() {
    for (written, meant) in [
        (r#""a ${cluster} b ${cluster}""#, "a blue b blue"),
        (r#""${/}etc${/}${cluster}""#, "/etc/blue"),
        (r#""${cluster""#, "${cluster"),
        (r#""${{cluster}} ${cluster}""#, "${{cluster}} blue"),
        (r#""${{cluster}}""#, "${{cluster}}"),
        (r#""${cluster} ${{cluster""#, "blue ${{cluster"),
        (
            r#""$cluster {cluster} $ {cluster}""#,
            "$cluster {cluster} $ {cluster}",
        ),
        (r#""a${nothing}b""#, "ab"),
        (r#""""#, ""),
    ] {
        assert_eq!(value(written).as_deref(), Ok(meant), "{written}");
    }
    let error = |text: &str| read(text).unwrap_err();
    assert_says(
        &error("S { m required keyTab=\"${user.home}/k\"; };"),
        "1:23",
        &["keyTab", "\"user.home\"", "not a known Java property"],
    );
    assert_says(
        &error("S { m required principal=\"${nothing}\"; };"),
        "1:26",
        &["principal", "expands to nothing"],
    );
    assert_says(
        &error("S { m required v=\"${}\"; };"),
        "1:18",
        &["not a known Java property"],
    );
    // It may be a password that looks like a property.
    for (text, secret) in [
        ("S { m required password=\"hun${ter}2\"; };", "ter"),
        ("S { m required pin=\"hun${ter}2\"; };", "ter"),
        (
            "S { m required keyTab=\"${home password=hunter2 }\"; };",
            "hunter2",
        ),
    ] {
        let error = error(text);
        assert!(error.contains("not a known Java property"), "{error}");
        assert!(!error.contains(&format!("{secret:?}")), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn errors_say_where_and_what_was_expected() {
    for (text, place, facts) in [
        (
            "{ m required; };",
            "1:1",
            &["name of a section", "found '{'"][..],
        ),
        ("S m required; };", "1:3", &["expected '{'", "found a word"]),
        (
            "S { ; };",
            "1:5",
            &["login module", "option", "'}'", "found ';'"],
        ),
        (
            "S { m; };",
            "1:6",
            &[
                "required",
                "requisite",
                "sufficient",
                "optional",
                "found ';'",
            ],
        ),
        (
            "PacemakerDigest {\n  username=\"u\"\n  password=\"p\"\n};",
            "4:1",
            &[
                "expected ';'",
                "last option of PacemakerDigest",
                "found '}'",
            ],
        ),
        (
            "PacemakerDigest { m required a=b; }",
            "1:36",
            &["expected ';'", "'}' of PacemakerDigest", "end of the file"],
        ),
        (
            "S { m required a b; };",
            "1:18",
            &["expected '='", "found a word"],
        ),
        ("S { m required a=; };", "1:18", &["value", "found ';'"]),
        (
            "S { m required a=1; };",
            "1:18",
            &["double quotes", "digit", "found a number"],
        ),
        (
            "S { m required a=-x; };",
            "1:18",
            &["double quotes", "'-'", "found '-'"],
        ),
        (
            "S { m required a='x'; };",
            "1:18",
            &["double quotes", "found a string in single quotes"],
        ),
        (
            "# mine\nS { };",
            "1:1",
            &["found '#'", "comments begin with //"],
        ),
        (
            "PacemakerServer { m required\r\nkeyTab=/etc/k\r\nprincipal=\"p\"; };",
            "3:10",
            &["PacemakerServer", "found '='", "'/' in line 2", "quotes"],
        ),
        (
            "PacemakerDigest { username=\"u\" password=\"p;\n};",
            "2:1",
            &["PacemakerDigest", "found '}'", "quote that opens in line 1"],
        ),
        (
            "S {};\n PacemakerServer {};\nPacemakerServer {};",
            "3:1",
            &["PacemakerServer", "second time", "line 2"],
        ),
        ("S { \"\" required; };", "1:5", &["class", "empty"]),
        ("S {};\rS {", "2:4", &["login module", "end of the file"]),
    ] {
        assert_says(&read(text).unwrap_err(), place, facts);
    }
}

/// Whatever is cut out of, or put into, a good file: no message shows a piece of its password.
#[test]
fn no_message_shows_a_secret() {
    let good =
        "PacemakerDigest { m required username=\"Zq1\" password=\"Zq2Zq3 ${Zq4} \\\"Zq5\"; };\n";
    let mut wrong = 0;
    for at in 0..good.len() {
        for put in [
            "", "\"", ";", "}", "{", "=", "'", "#", "/", "\n", "};", "=\"", "\";};",
        ] {
            for skipped in [0, 1] {
                let text = format!("{}{put}{}", &good[..at], &good[at + skipped..]);
                let problems = match read(&text) {
                    Err(problem) => vec![problem],
                    Ok(file) => {
                        let shown =
                            format!("{file:?} {:?} {:?}", digest(&file).err(), server(&file));
                        vec![shown]
                    }
                };
                wrong += problems.len();
                for problem in problems {
                    assert!(!problem.contains("Zq"), "{problem}\n{text}");
                }
            }
        }
    }
    assert!(wrong > 1000);
}
