//! Replies as models write them, good and bad.

use std::collections::BTreeSet;

use super::*;

fn only(json: &str) -> Asked {
    let mut reply = parse(&format!("{{\"actions\":[{json}]}}")).expect("the reply reads");
    reply.actions.remove(0)
}

fn faults(json: &str) -> Vec<String> {
    match only(json).what {
        Err(Fault::Invalid(wrong)) => wrong,
        Err(Fault::Unknown) => vec!["unknown".to_owned()],
        Ok(action) => panic!("it read as {action:?}"),
    }
}

#[test]
fn a_reply_reads_with_its_note_actions_and_done() {
    let reply = parse(
        r##"{"note":"hi","actions":[{"id":"w","do":"write_document","title":"A title","body":"# A"},
            {"do":"finish","summary":"done","needs":["w"]}],"done":true}"##,
    )
    .expect("it reads");
    assert_eq!((reply.note.as_str(), reply.done), ("hi", true));
    assert_eq!(reply.actions[0].what.as_ref().map(Action::name), Ok("write_document"));
    assert_eq!(
        (reply.actions[1].id.as_str(), reply.actions[1].needs.as_slice()),
        ("a2", &["w".to_owned()][..])
    );
}

#[test]
fn every_fault_of_an_action_is_named_and_the_others_are_still_read() {
    assert_eq!(
        faults(r#"{"do":"post_message","text":7,"colour":"red"}"#),
        ["`room` is missing", "`text` must be a text", "`colour` is no field of it"]
    );
    assert_eq!(faults(r#"{"do":"run_shell","line":"ls"}"#), ["unknown"]);
    assert_eq!(
        faults(r#"{"do":"run_command","args":["a\u0000b"],"seconds":121}"#),
        [
            "`program` is missing",
            "`args` holds the control character U+0000",
            "`seconds` must be a whole number from 0 to 120"
        ]
    );
    assert_eq!(
        faults(r#"{"do":"list","depth":4}"#),
        ["`depth` must be a whole number from 1 to 3"]
    );
    assert_eq!(faults(r#"{"do":"write_journal","type":"poem","text":"x","submit":true}"#).len(), 2);
    assert_eq!(faults(r#"{"do":"echo","text":"a\u0007"}"#).len(), 1);
}

#[test]
fn a_program_keeps_its_words_and_those_that_mean_a_tool_start_none() {
    let sort = only(r#"{"do":"run_command","program":"sort","args":["b"," a","b"]}"#);
    let Ok(Action::Run(call)) = &sort.what else { panic!("{sort:?}") };
    assert_eq!((call.program.as_str(), call.folder.as_str()), ("sort", "library"));
    assert_eq!(call.args, ["b", " a", "b"]);
    let other = only(r#"{"do":"run_command","program":"sort","args":["b","b"," a"]}"#);
    assert_ne!(sort.hash, other.hash, "the order of arguments counts");
    let listed = only(r#"{"do":"run_command","program":"ls","args":["library/notes"]}"#);
    let Ok(Action::Tool(Tool::List { path, .. })) = &listed.what else { panic!("{listed:?}") };
    assert_eq!(path, "notes");
    let piped = faults(r#"{"do":"run_command","program":"cat","args":["a","b"]}"#);
    assert_eq!(piped, ["`args` mean no tool: cat takes fewer arguments"]);
}

#[test]
fn what_is_no_reply_says_why() {
    for (text, why) in [
        ("{\"actions\":", "not valid JSON"),
        ("[1]", "one JSON object"),
        ("{\"action\":[]}", "no field `action`"),
        ("{}", "asks for nothing"),
        ("{\"actions\":[{\"id\":\"a\"}]}", "must name what to `do`"),
    ] {
        let error = parse(text).expect_err("it is refused");
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn equal_actions_have_equal_hashes_however_they_are_written() {
    for (one, other) in [
        (
            r#"{"id":"x","do":"recall","query":"the  sea","k":null}"#,
            r#"{"do":"recall","query":"The sea "}"#,
        ),
        (
            r#"{"do":"recall","query":"sea"}"#,
            r#"{"query":"SEA","k":5,"needs":["w"],"do":"recall"}"#,
        ),
        (
            r#"{"do":"post_message","room":"watercooler","text":"Hello\n all","mentions":["a1","b1"]}"#,
            r#"{"mentions":["b1","a1"],"text":"hello all","room":"watercooler","importance":3,"do":"post_message"}"#,
        ),
        (
            r#"{"do":"list","root":"library"}"#,
            r#"{"do":"list","root":"library","depth":1,"path":""}"#,
        ),
        (
            r#"{"do":"message_human","type":"idea","text":"x"}"#,
            r#"{"do":"message_human","text":"X","waits":false,"type":"idea"}"#,
        ),
    ] {
        assert_eq!(only(one).hash, only(other).hash, "{one} {other}");
    }
}

#[test]
fn actions_that_mean_something_else_have_other_hashes() {
    for (one, other) in [
        (r#"{"do":"recall","query":"the sea"}"#, r#"{"do":"recall","query":"the lake"}"#),
        (r#"{"do":"recall","query":"the sea"}"#, r#"{"do":"recall","query":"the sea","k":6}"#),
        (r#"{"do":"echo","text":"b"}"#, r#"{"do":"echo","text":"c"}"#),
        (r#"{"do":"list","path":"a"}"#, r#"{"do":"read","path":"a"}"#),
        (r#"{"do":"read","path":"Sea.md"}"#, r#"{"do":"read","path":"sea.md"}"#),
        (r#"{"do":"search","pattern":"a  b"}"#, r#"{"do":"search","pattern":"a b"}"#),
        (
            r#"{"do":"write_document","title":"Sea","body":"- a\n  - b"}"#,
            r#"{"do":"write_document","title":"Sea","body":"- a\n- b"}"#,
        ),
    ] {
        assert_ne!(only(one).hash, only(other).hash, "{one} {other}");
    }
}

#[test]
fn private_texts_stay_out_of_the_record() {
    let reply = r#"{"actions":[{"do":"write_journal","type":"reflection","text":"canary one"},
        {"do":"message_human","type":"idea","text":"canary two"},
        {"do":"post_message","room":"town_hall","text":"for all"}]}"#;
    let recorded = parse(reply).expect("it reads").recorded;
    assert!(!recorded.contains("canary") && recorded.contains("for all"), "{recorded}");
    assert!(recorded.contains("reflection"), "{recorded}");
    let broken = "{\"do\":\"write_journal\",\"text\":\"canary";
    assert!(!record_unread(broken).contains("canary"));
    assert_eq!(record_unread("plain prose"), "plain prose");
}

/// The published schema and this parser name the same actions and fields.
#[test]
fn the_published_schema_names_the_same_fields() {
    use prost::Message as _;
    let set =
        prost_types::FileDescriptorSet::decode(vivarium_proto::DESCRIPTOR_SET).expect("it reads");
    let file = set.file.iter().find(|file| file.name() == "vivarium/executor/v1/action.proto");
    let messages = &file.expect("the file is there").message_type;
    let action = messages.iter().find(|message| message.name() == "Action").expect("it is there");
    let choices = action.field.iter().filter(|field| field.oneof_index.is_some());
    for choice in choices {
        let of = choice.type_name().rsplit('.').next().expect("a name has parts");
        let message = messages.iter().find(|message| message.name() == of).expect("it is there");
        let published: BTreeSet<&str> =
            message.field.iter().map(prost_types::FieldDescriptorProto::name).collect();
        // Each published field with a value of a wrong type is named by the parser; a field that the
        // parser does not know is named as such.
        let wrong_type =
            published.iter().map(|field| format!(",\"{field}\":{{}}")).collect::<Vec<_>>().concat();
        let found = faults(
            &format!("{{\"do\":\"{}\"{wrong_type}}}", choice.name())
                .as_str()
                .replace("\"where\"", "\"where\",\"extra\":1"),
        );
        let unknown: Vec<_> =
            found.iter().filter(|fault| fault.ends_with("is no field of it")).collect();
        let expected = usize::from(choice.name() == "where");
        assert_eq!(unknown.len(), expected, "{}: {found:?}", choice.name());
        assert_eq!(found.len() - expected, published.len(), "{}: {found:?}", choice.name());
    }
}
