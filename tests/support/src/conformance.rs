//! The conformance scripts: what every request must be answered in its context, and where Storm's
//! Java daemon answers otherwise, why that is no loss.

use super::frames::*;
use super::mixed::mixed_thousand;
use super::script::{Java, Script};

const PREFIX_MATCH: &str = "Java lists by the text before a name, so /c/t1 also matches /c/t11; \
                            shipped daemons list /workerbeats alone";

/// In this order, on one daemon: some look at the roots.
pub fn scripts() -> Vec<Script> {
    vec![
        overwrite(),
        delete_boundary(),
        list_boundary(),
        trailing_slashes(),
        doubled_slashes(),
        roots(),
        unicode(),
        not_unicode(),
        empty_details(),
        directories_do_not_exist(),
        records(),
        own_writes(),
        list_in_one_pipeline(),
        deletes_in_one_pipeline(),
        ids(),
        no_op_create(),
        mixed_thousand(),
        large_details(),
        no_regular_expression(),
    ]
}

fn overwrite() -> Script {
    let mut script = Script::new("overwrite");
    script.get("/c1/t/k", None);
    script.put("/c1/t/k", "first");
    script.get("/c1/t/k", Some("first"));
    script.put("/c1/t/k", "a second, longer one");
    script.get("/c1/t/k", Some("a second, longer one"));
    script.put("/c1/t/k", "3");
    script.get("/c1/t/k", Some("3"));
    script.delete("/c1/t/k");
    script.get("/c1/t/k", None);
    script.delete("/c1/t/k"); // what is not there can be deleted
    script
}

fn delete_boundary() -> Script {
    let mut script = Script::new("delete boundary");
    let keys = [
        "/c2/t1/a",
        "/c2/t1/b/deep/er",
        "/c2/t11/a",
        "/c2/t1",
        "/c2/t",
        "/c2/t1x",
    ];
    for key in keys {
        script.put(key, key);
    }
    script.delete_path("/c2/t1");
    for (key, stays) in keys
        .into_iter()
        .zip([false, false, true, false, true, true])
    {
        script.get(key, stays.then_some(key));
    }
    script.delete_path("/c2/none");
    script.list("/c2", &["t", "t11", "t1x"]);
    script.delete_path("/c2/t11/a"); // as a worker that exits does
    script.list("/c2", &["t", "t1x"]);
    script
}

fn list_boundary() -> Script {
    let mut script = Script::new("list boundary");
    for key in [
        "/c3/t1/a",
        "/c3/t1/b/c",
        "/c3/t1/b/d",
        "/c3/t11/x",
        "/c3/t2",
    ] {
        script.put(key, "");
    }
    script.list("/c3", &["t1", "t11", "t2"]);
    script.list("/c3/t1", &["a", "b"]).java = Java::Differs(PREFIX_MATCH);
    script.list("/c3/t1/b", &["c", "d"]);
    script.list("/c3/t2", &[]);
    script.list("/c3/none", &[]);
    script.list("/c3/t", &[]).java = Java::Differs(PREFIX_MATCH);
    script
}

fn trailing_slashes() -> Script {
    let mut script = Script::new("trailing slashes");
    script.put("/c4/t/a", "1");
    script.put("/c4/t", "2");
    script.list("/c4/", &["t"]);
    script.list("/c4/t/", &["a"]);
    script.get("/c4/t/", None); // another key
    script.put("/c4/t/", "3");
    script.get("/c4/t/", Some("3"));
    script.get("/c4/t", Some("2"));
    script.delete_path("/c4/t/");
    script.get("/c4/t/a", None);
    script.get("/c4/t/", None);
    script.get("/c4/t", None); // the directory's own key goes as well
    script.delete_path("/c4");
    script
}

fn doubled_slashes() -> Script {
    let mut script = Script::new("doubled slashes");
    script.put("/c5//a", "1");
    script.put("/c5/a", "2");
    script.put("//c5//b/", "3");
    script.get("/c5//a", Some("1"));
    script.get("/c5/a", Some("2"));
    script.list("/c5", &["a"]); // the first name that is not empty
    script.list("//c5", &["b"]);
    script.delete_path("/c5//a");
    script.get("/c5//a", None);
    script.get("/c5/a", Some("2"));
    script.delete_path("//c5");
    script.get("//c5//b/", None);
    script.delete_path("/c5");
    script
}

fn roots() -> Script {
    let mut script = Script::new("roots");
    script.delete_path("/");
    script.list("/", &[]);
    script.put("/r1/a", "1");
    script.put("/r2", "2");
    script.put("r3/b", "3"); // without a slash before it
    script.put("", "4");
    script.get("", Some("4"));
    script.exists("", true);
    script.list("", &["r1", "r2", "r3"]);
    script.list("/", &["r1", "r2"]); // what begins with a slash
    script.list("r3", &["b"]);
    script.delete_path("/");
    script.get("/r1/a", None);
    script.get("/r2", None);
    script.get("r3/b", Some("3"));
    script.get("", None);
    script.put("", "5");
    script.put("/r4", "6");
    script.delete_path("");
    script.get("", None);
    script.get("/r4", None);
    script.get("r3/b", Some("3"));
    script.delete("r3/b");
    script.list("", &[]);
    script
}

fn unicode() -> Script {
    let mut script = Script::new("unicode");
    for key in [
        "/c6/ü/é",
        "/c6/日本/語",
        "/c6/😀",
        "/c6/with space/x",
        "/c6/\0/nul",
    ] {
        script.put(key, key);
        script.get(key, Some(key));
    }
    script.list("/c6", &["\0", "with space", "ü", "日本", "😀"]);
    script.list("/c6/日本", &["語"]);
    script.delete_path("/c6/ü");
    script.get("/c6/ü/é", None);
    script.delete_path("/c6");
    script
}

fn not_unicode() -> Script {
    let mut script = Script::new("not UTF-8");
    // Each malformed sequence becomes one U+FFFD; a surrogate's three bytes are one to Java.
    for (bytes, text) in [
        (&b"/c7/\xff\xfe"[..], "/c7/\u{fffd}\u{fffd}"),
        (b"/c7/a\xe6\x97", "/c7/a\u{fffd}"),
        (b"/c7/\xed\xa0\x80b", "/c7/\u{fffd}b"),
        (b"/c7/\xc0\xaf", "/c7/\u{fffd}\u{fffd}"),
    ] {
        script.put(bytes, "bad");
        let id = script.next_id();
        let answer = pulse_answer(text, Some(b"bad"), id);
        script.step(format!("get {text} by its bytes"), get(bytes, id), answer);
        script.get(text, Some("bad"));
    }
    script.delete_path("/c7");
    script
}

fn empty_details() -> Script {
    let mut script = Script::new("empty details");
    script.put("/c8/k", "");
    script.get("/c8/k", Some("")); // which is not a miss
    script.exists("/c8/k", true);
    script.put("/c8/k", "full");
    script.put("/c8/k", "");
    script.get("/c8/k", Some(""));
    script.delete_path("/c8");
    script.exists("/c8/k", false);
    script
}

fn directories_do_not_exist() -> Script {
    let mut script = Script::new("directories do not exist");
    script.put("/c9/t/k", "x");
    script.exists("/c9/t/k", true);
    script.exists("/c9/t", false);
    script.exists("/c9", false);
    script.exists("/c9/t/k/", false);
    script.get("/c9/t", None);
    script.delete("/c9/t"); // deletes one key, and this is a directory
    script.exists("/c9/t/k", true);
    script.delete_path("/c9");
    script
}

fn records() -> Script {
    let mut script = Script::new("records");
    script.records("/c10", &[]);
    script.put("/c10/t1/b", "2");
    script.put("/c10/t1/a", "1");
    script.put("/c10/t11/x", "3");
    script.put("/c10/t1/c", "");
    let t1 = [("/c10/t1/a", "1"), ("/c10/t1/b", "2"), ("/c10/t1/c", "")];
    script.records("/c10/t1", &t1);
    script.records("/c10/t1/a", &t1[..1]);
    script.records("/c10", &[t1[0], t1[1], t1[2], ("/c10/t11/x", "3")]);
    script.delete_path("/c10/t1");
    script.records("/c10", &[("/c10/t11/x", "3")]);
    script.delete_path("/c10");
    script
}

fn own_writes() -> Script {
    let mut script = Script::new("a pipeline reads its own writes");
    for round in 0..20 {
        for key in 0..16 {
            let (path, details) = (format!("/c11/{key}"), format!("{round}:{key}"));
            script.put(&path, &details);
            script.get(&path, Some(&details));
            if round % 5 == 4 {
                script.delete(&path);
                script.exists(&path, false);
            }
        }
    }
    script
}

fn list_in_one_pipeline() -> Script {
    let mut script = Script::new("lists see the puts and deletions before them, and no later ones");
    let mut names: Vec<String> = Vec::new();
    for number in 0..40 {
        names.push(format!("n{number:02}"));
        script.put(format!("/c12/n{number:02}/k"), "x");
        script.list(
            "/c12",
            &names.iter().map(String::as_str).collect::<Vec<_>>(),
        );
    }
    while let Some(name) = names.pop() {
        script.delete_path(&format!("/c12/{name}"));
        script.list(
            "/c12",
            &names.iter().map(String::as_str).collect::<Vec<_>>(),
        );
    }
    script
}

fn deletes_in_one_pipeline() -> Script {
    let mut script = Script::new("a deletion takes the puts before it, and no later ones");
    for round in 0..10 {
        for key in 0..12 {
            script.put(format!("/c13/t/{key}"), "before");
        }
        script.delete_path("/c13");
        script.put(format!("/c13/t/{round}"), "after");
        for key in 0..12 {
            script.get(&format!("/c13/t/{key}"), (key == round).then_some("after"));
        }
    }
    script.delete_path("/c13");
    script
}

fn ids() -> Script {
    let mut script = Script::new("ids come back as they are");
    for id in [0, i32::MIN, i32::MAX, -1, -2, 100_000] {
        let answer = pulse_answer("/c14", None, id);
        script.step(format!("get, id {id}"), get("/c14", id), answer);
    }
    script
}

fn no_op_create() -> Script {
    let mut script = Script::new("CREATE_PATH does nothing");
    script.act(CREATE_PATH, "/c15/t");
    script.exists("/c15/t", false);
    script.list("/c15", &[]);
    script.put("/c15/t", "x");
    script.act(CREATE_PATH, "/c15/t");
    script.get("/c15/t", Some("x"));
    script.delete_path("/c15");
    script
}

fn large_details() -> Script {
    let mut script = Script::new("large details");
    for bytes in [255, 256, 257, 8 * 1024, 65_536, 1 << 20] {
        let details = "0123456789abcdef".repeat(bytes / 16 + 1)[..bytes].to_owned();
        script.put("/c17/k", &details);
        script.get("/c17/k", Some(&details));
    }
    script.delete_path("/c17");
    script
}

fn no_regular_expression() -> Script {
    let mut script = Script::new("a path is no regular expression");
    script.kills_java = Some("it compiles the path of a list as a regular expression");
    script.put("/c18/(t/a", "1");
    script.put("/c18/.*/b", "2");
    script.put("/c18/other/c", "3");
    script.list("/c18/(t", &["a"]);
    script.list("/c18/.*", &["b"]);
    script.list("/c18/[", &[]);
    script.delete_path("/c18/.*");
    script.list("/c18", &["(t", "other"]);
    script.delete_path("/c18");
    script
}
