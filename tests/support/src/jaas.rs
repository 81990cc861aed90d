//! JAAS files, good and bad, and what they say to Java's reader.

/// One file.
pub struct Case {
    pub text: &'static str,
    pub meaning: Meaning,
}

pub enum Meaning {
    /// A section, an option of it, its value.
    Options(&'static [(&'static str, &'static str, Option<&'static str>)]),
    /// A syntax error.
    Refused,
    /// A syntax error to Java, but not to us: an option of `S`, its value.
    OursAlone(&'static str, &'static str),
    /// To Java a section whose name is null, and so for nobody.
    Nameless,
}

/// `-D` of Java, and what we are given for it.
pub const PROPERTIES: &[(&str, &str)] = &[("cluster", "blue"), ("nothing", "")];

use Meaning::*;

const fn case(text: &'static str, meaning: Meaning) -> Case {
    Case { text, meaning }
}

/// The value of `v` in a section `S`.
macro_rules! v {
    ($text:expr, $value:expr) => {
        case(
            concat!("S { m required v=", $text, "; };"),
            Options(&[("S", "v", Some($value))]),
        )
    };
}

/// What cannot be the value of `v`.
macro_rules! no_v {
    ($text:expr) => {
        case(concat!("S { m required v=", $text, "; };"), Refused)
    };
}

/// The manual's example for Kerberos, with its white space.
pub const MANUAL_SERVER: &str = r#"PacemakerServer {
   com.sun.security.auth.module.Krb5LoginModule required
   useKeyTab=true
   keyTab="/etc/keytabs/pacemaker.keytab"
   storeKey=true
   useTicketCache=false
   principal="pacemaker@MY.COMPANY.COM";
};
"#;

pub const CASES: &[Case] = &[
    // The manual's.
    case(
        MANUAL_SERVER,
        Options(&[
            (
                "PacemakerServer",
                "keyTab",
                Some("/etc/keytabs/pacemaker.keytab"),
            ),
            (
                "PacemakerServer",
                "principal",
                Some("pacemaker@MY.COMPANY.COM"),
            ),
            ("PacemakerServer", "keytab", None),
            ("pacemakerserver", "keyTab", None),
        ]),
    ),
    case("S { v=\"some user\" w=x; };", OursAlone("v", "some user")),
    case("S { \"v\" = a; m required w=x; };", OursAlone("v", "a")),
    // Structure.
    case("", Options(&[("S", "v", None)])),
    case(
        " \r\n\t\x0c// nothing\n/* at all */",
        Options(&[("S", "v", None)]),
    ),
    case("S { };", Options(&[("S", "v", None)])),
    case("S { }; T { m optional; };", Options(&[("T", "v", None)])),
    case(
        "S{m required v=a;};T{m required v=b;};",
        Options(&[("S", "v", Some("a")), ("T", "v", Some("b"))]),
    ),
    case(
        "S { m ReQuIrEd v=a; n REQUISITE w=b; o sufficient v=c w=d; p Optional x=e; };",
        Options(&[
            ("S", "v", Some("a")),
            ("S", "w", Some("b")),
            ("S", "x", Some("e")),
        ]),
    ),
    case(
        "S { m requ\u{131}red v=a; };",
        Options(&[("S", "v", Some("a"))]),
    ),
    case(
        "S { m required v=a v=b; };",
        Options(&[("S", "v", Some("b"))]),
    ),
    case(
        "S { m required v=a; n required v=b; };",
        Options(&[("S", "v", Some("a"))]),
    ),
    case(
        "\"S\" { \"m\" \"required\" \"v\"=\"a\"; };",
        Options(&[("S", "v", Some("a"))]),
    ),
    case(
        "'S' { m required v=a; };",
        Options(&[("S", "v", Some("a"))]),
    ),
    case(
        "\"\" { m required \"\"=a; };",
        Options(&[("", "", Some("a"))]),
    ),
    case("$_*a-1.b { *m required -v=a; };", Refused),
    case(
        "$_*a-1.b { *m required $v-=a-; };",
        Options(&[("$_*a-1.b", "$v-", Some("a-"))]),
    ),
    case("S { m required v=a; } ;", Options(&[("S", "v", Some("a"))])),
    case("S { m required v=a; }", Refused),
    case("S { m required v=a };", Refused),
    case("S { m required v=a; ; };", Refused),
    case("S { ; };", Refused),
    case("S { m; };", Refused),
    case("S { m necessary; };", Refused),
    case("S { \"\" required; };", Refused),
    case("S { m required, v=a; };", Refused),
    case("S { m required v a; };", Refused),
    case("S { m required v; };", Refused),
    case("S { m required v=; };", Refused),
    case("S { m required =a; };", Refused),
    case("S m required v=a; };", Refused),
    case("S { m required v=a; };;", Refused),
    case("S { m required v=a; }; T", Refused),
    case("S { m required v=a; }; S { n required w=b; };", Refused),
    case("S { }; S { };", Refused),
    case("S {", Refused),
    case("S", Refused),
    case("{ m required v=a; };", Refused),
    case("; { m required v=a; };", Nameless),
    case("5 { m required v=a; };", Nameless),
    case("= { };", Nameless),
    // Words and numbers.
    v!("true", "true"),
    v!("a1.b-c_d$e*f", "a1.b-c_d$e*f"),
    v!("*", "*"),
    v!("$x", "$x"),
    v!("\u{e4}\u{20ac}\u{1f600}", "\u{e4}\u{20ac}\u{1f600}"),
    v!("\u{a0}", "\u{a0}"),
    case(
        "\u{feff}S { m required v=a; };",
        Options(&[("S", "v", None), ("\u{feff}S", "v", Some("a"))]),
    ),
    no_v!("1"),
    no_v!("1a"),
    no_v!(".a"),
    no_v!("-a"),
    no_v!("-1"),
    no_v!("-"),
    no_v!("a@b"),
    no_v!("a:b"),
    no_v!("a,b"),
    no_v!("a+b"),
    no_v!("a\\b"),
    no_v!("a#b"),
    no_v!("a\u{7f}"),
    no_v!("a\u{85}b"),
    no_v!("'a'"),
    no_v!("${cluster}"),
    // Comments.
    case("# a comment\nS { m required v=a; };", Refused),
    case("S { # a comment\nm required v=a; };", Refused),
    case(
        "S { // }; \"\nm required v=a; /* v=b; */ };",
        Options(&[("S", "v", Some("a"))]),
    ),
    case(
        "S { / }; any more\nm required v=a; };",
        Options(&[("S", "v", Some("a"))]),
    ),
    case(
        "S { m required v=a/b\n; };",
        Options(&[("S", "v", Some("a"))]),
    ),
    case(
        "S { m required v=a /\nw=b\n; };",
        Options(&[("S", "v", Some("a")), ("S", "w", None)]),
    ),
    case(
        "S { m required v=a /\r\nw=b\r\n; };",
        Options(&[("S", "v", Some("a")), ("S", "w", Some("b"))]),
    ),
    case(
        "S { m required v=a /\rw=b\r; };",
        Options(&[("S", "v", Some("a")), ("S", "w", None)]),
    ),
    case(
        "S { m required v=/etc/keytab\nw; };",
        Options(&[("S", "v", Some("w"))]),
    ),
    case(
        "S { m required keyTab=/etc/keytab\nprincipal=\"p\"; };",
        Refused,
    ),
    case("S { m required keyTab=/etc/keytab; };", Refused),
    case(
        "S { m required v=a /**/; };",
        Options(&[("S", "v", Some("a"))]),
    ),
    case(
        "S { m required v=a /*/ ; }; /**/; };",
        Options(&[("S", "v", Some("a"))]),
    ),
    case(
        "S { m required v=a /* x\n*/; };",
        Options(&[("S", "v", Some("a"))]),
    ),
    case(
        "S { m required v=a /* x *\n/; }; /* */; };",
        Options(&[("S", "v", Some("a"))]),
    ),
    case(
        "S { m required v=a /* x *\r\n/; }; /* */; };",
        Options(&[("S", "v", Some("a"))]),
    ),
    case(
        "S { m required v=a /* x **\n**/; };",
        Options(&[("S", "v", Some("a"))]),
    ),
    case(
        "S { m required v=a /* * / */; };",
        Options(&[("S", "v", Some("a"))]),
    ),
    case(
        "S { m required v=a; }; /* open",
        Options(&[("S", "v", Some("a"))]),
    ),
    case(
        "S { m required v=a; }; /",
        Options(&[("S", "v", Some("a"))]),
    ),
    case(
        "S { m required v=a; }; //",
        Options(&[("S", "v", Some("a"))]),
    ),
    case("S { m required v=a /* open; };", Refused),
    // Strings.
    v!(r#""""#, ""),
    v!(r#""a b; }; // /* # '""#, "a b; }; // /* # '"),
    v!(r#""a\"b\\c\'d\/e\qf""#, "a\"b\\c'd/eqf"),
    v!(r#""\a\b\f\n\r\t\v""#, "\x07\x08\x0c\n\r\t\x0b"),
    v!(
        r#""\0|\12|\101|\377|\477|\18|\8""#,
        "\0|\n|A|\u{ff}|'7|\u{1}8|8"
    ),
    v!("\"a\\\nb\"", "a\nb"),
    v!("\"a\\\r\n", "a\r"),
    no_v!("\"a\\\r\nb"),
    v!("\"\u{e4}\u{1f600}\"", "\u{e4}\u{1f600}"),
    case(
        "S { m required v=\"a\n; };",
        Options(&[("S", "v", Some("a"))]),
    ),
    case(
        "S { m required v=\"a\rw=b\n; };",
        Options(&[("S", "v", Some("a")), ("S", "w", Some("b"))]),
    ),
    case(
        "S { m required v=\"a; };\n; };",
        Options(&[("S", "v", Some("a; };"))]),
    ),
    no_v!("\"a;"),
    no_v!("\"a\"b"),
    no_v!("\"a\"\"b\""),
    // Properties.
    v!(r#""${cluster}""#, "blue"),
    v!(r#""a${cluster}b${/}c""#, "ablueb/c"),
    v!(r#""${cluster""#, "${cluster"),
    v!(r#""${cluster}${cluster""#, "blue${cluster"),
    v!(r#""${{cluster}}""#, "${{cluster}}"),
    v!(r#""${{cluster}} ${cluster}""#, "${{cluster}} blue"),
    v!(r#""${{a ${cluster}""#, "${{a ${cluster}"),
    v!(r#""${{a}} ${{b}}${cluster}""#, "${{a}} ${{b}}blue"),
    v!(r#""${{a}}}""#, "${{a}}}"),
    v!(r#""$cluster $ {cluster} {""#, "$cluster $ {cluster} {"),
    v!(r#""a${nothing}""#, "a"),
    v!(r#""\44{cluster}""#, "blue"),
    no_v!(r#""${nothing}""#),
    no_v!(r#""${unknown}""#),
    no_v!(r#""${ cluster}""#),
    no_v!(r#""${}""#),
    case(
        "\"${cluster}\" { m required \"${cluster}\"=\"${cluster}\"; };",
        Options(&[("${cluster}", "${cluster}", Some("blue"))]),
    ),
];
