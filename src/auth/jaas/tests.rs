//! What JAAS files mean, and the messages about wrong ones. `tests/jaas_cross_check.rs` holds the grammar
//! against Java's own reader.

use super::*;

/// The manual's examples, with their white space.
const MANUAL_DIGEST: &str = r#"PacemakerDigest {
    username="some username"
    password="some password";
};
"#;
const MANUAL_SERVER: &str = r#"PacemakerServer {
   com.sun.security.auth.module.Krb5LoginModule required
   useKeyTab=true
   keyTab="/etc/keytabs/pacemaker.keytab"
   storeKey=true
   useTicketCache=false
   principal="pacemaker@MY.COMPANY.COM";
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
    let of = |text: &str| digest(&read(text).unwrap()).unwrap_err().to_string();
    assert_eq!(
        of(""),
        "jaas.conf: section PacemakerDigest is missing; the file has no sections"
    );
    assert_eq!(
        of("PacemakerServer { m required; }; pacemakerdigest {}; \"quoted\" {};"),
        "jaas.conf: section PacemakerDigest is missing; the file has only PacemakerServer, \
         \"pacemakerdigest\" (empty), one whose name is in quotes"
    );
    // As Java has it.
    assert_eq!(
        of("PacemakerDigest { };"),
        "jaas.conf: section PacemakerDigest is missing; the file has only PacemakerDigest (empty)"
    );
    assert_eq!(
        of("\u{feff}PacemakerDigest { m required; };"),
        "jaas.conf: section PacemakerDigest is missing; the file has only \"\\u{feff}PacemakerDigest\""
    );
}

#[test]
fn options_that_are_missing_or_empty_are_named() {
    for (options, problem) in [
        ("username=u", "has no password"),
        ("password=p", "has no username"),
        ("username=u password=\"\"", "has an empty password"),
        ("username=\"\" password=p", "has an empty username"),
        ("Username=u Password=p", "has no username"),
    ] {
        let text = format!("\n  PacemakerDigest {{ m required {options}; }};");
        assert_eq!(
            digest(&read(&text).unwrap()).unwrap_err().to_string(),
            format!("jaas.conf:2:3: section PacemakerDigest {problem}")
        );
    }
    for (options, problem) in [
        (
            "useTicketCache=true principal=p",
            "has no keyTab: this daemon takes its key only from a keytab, not from a ticket cache or \
             a password",
        ),
        ("keyTab=k", "has no principal"),
    ] {
        let text = format!("PacemakerServer {{ m required {options}; }};");
        assert_eq!(
            server(&read(&text).unwrap()).unwrap_err().to_string(),
            format!("jaas.conf:1:1: section PacemakerServer {problem}")
        );
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
    let of = |text: &str| read(text).unwrap_err();
    assert_eq!(
        of("S { m required keyTab=\"${user.home}/k\"; };"),
        "jaas.conf:1:23: the value of keyTab refers to \"user.home\", which is not a known Java property"
    );
    assert_eq!(
        of("S { m required principal=\"${nothing}\"; };"),
        "jaas.conf:1:26: the value of principal expands to nothing"
    );
    // It may be a password that only looks so.
    for option in ["password", "pin"] {
        let problem = of(&format!("S {{ m required {option}=\"hun${{ter}}2\"; }};"));
        assert!(
            problem.ends_with("has a ${…} that is not a known Java property"),
            "{problem}"
        );
    }
    let swallowed = of("S { m required keyTab=\"${home password=hunter2 }\"; };");
    assert!(
        swallowed.ends_with("has a ${…} that is not a known Java property"),
        "{swallowed}"
    );
    assert!(of("S { m required v=\"${}\"; };").contains("not a known Java property"));
}

#[test]
fn errors_say_where_and_what_was_expected() {
    for (text, problem) in [
        (
            "{ m required; };",
            "1:1: expected the name of a section, found '{'",
        ),
        (
            "S m required; };",
            "1:3: expected '{' after the name of the section, found a word",
        ),
        (
            "S { ; };",
            "1:5: expected the class of a login module, an option or '}', found ';'",
        ),
        (
            "S { m; };",
            "1:6: expected required, requisite, sufficient or optional after the class of the \
             login module, found ';'",
        ),
        (
            "PacemakerDigest {\n  username=\"u\"\n  password=\"p\"\n};",
            "4:1: expected ';' after the last option of PacemakerDigest, found '}'",
        ),
        (
            "PacemakerDigest { m required a=b; }",
            "1:36: expected ';' after the '}' of PacemakerDigest, found the end of the file",
        ),
        (
            "S { m required a b; };",
            "1:18: expected '=' after the name of an option, found a word",
        ),
        (
            "S { m required a=; };",
            "1:18: expected the value of the option, found ';'",
        ),
        (
            "S { m required a=1; };",
            "1:18: expected the value of the option, in double quotes if it starts with a digit, \
             '.' or '-', found a number",
        ),
        (
            "S { m required a=-x; };",
            "1:18: expected the value of the option, in double quotes if it starts with a digit, \
             '.' or '-', found '-'",
        ),
        (
            "S { m required a='x'; };",
            "1:18: expected the value of the option in double quotes, found a string in single quotes",
        ),
        (
            "# mine\nS { };",
            "1:1: expected the name of a section, found '#' (comments begin with //)",
        ),
        (
            "PacemakerServer { m required\r\nkeyTab=/etc/k\r\nprincipal=\"p\"; };",
            "3:10: expected another option, or ';' after the last option of PacemakerServer, found \
             '='; the unquoted '/' in line 2 begins a comment: put paths in double quotes",
        ),
        (
            "PacemakerDigest { username=\"u\" password=\"p;\n};",
            "2:1: expected ';' after the last option of PacemakerDigest, found '}'; the quote that \
             opens in line 1 is not closed on that line",
        ),
        (
            "S {};\n PacemakerServer {};\nPacemakerServer {};",
            "3:1: PacemakerServer appears a second time; the first is in line 2",
        ),
        (
            "S { \"\" required; };",
            "1:5: the class of a login module is empty",
        ),
        (
            "S {};\rS {",
            "2:4: expected the class of a login module, an option or '}', found the end of \
          the file",
        ),
    ] {
        assert_eq!(
            read(text).unwrap_err(),
            format!("jaas.conf:{problem}"),
            "{text}"
        );
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
